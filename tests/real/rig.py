"""The rig: a real cluster on this machine. Its README says what runs on it and what can be broken."""

import os
import shlex
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The rig's program; KFW_RIG names another one.
PROGRAM = Path(os.environ.get("KFW_RIG") or ROOT.parent / "shared" / "cluster" / "cluster")
HOW = f'eval "$({PROGRAM} env kfw)" after `{PROGRAM} up --load`'


class RigMissing(Exception):
    """The environment names no rig."""


@dataclass(frozen=True)
class Rig:
    """A cluster of the rig, as `cluster env NAME` describes it."""

    name: str
    directory: Path
    kubeconfig: Path  # of the admin, whose context is its current one
    app: Path  # the test app, to be run on the host, too
    api_port: int
    control_plane_ip: str
    node_ips: tuple[str, ...]

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Rig":
        try:
            return cls(
                name=env["KFW_CLUSTER"],
                directory=Path(env["KFW_CLUSTER_DIR"]),
                kubeconfig=Path(env["KUBECONFIG"]),
                app=Path(env["KFW_CLUSTER_APP"]),
                api_port=int(env["KFW_API_PORT"]),
                control_plane_ip=env["KFW_CONTROL_PLANE_IP"],
                node_ips=tuple(env["KFW_NODE_IPS"].split()),
            )
        except KeyError as missing:
            raise RigMissing(f"{missing} is not set: {HOW}") from missing

    @property
    def context(self) -> str:
        return self.kubectl("config", "current-context").strip()

    @property
    def host_ip(self) -> str:
        """This machine's address, as the nodes and their pods see it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.connect((self.control_plane_ip, 1))  # nothing is sent
            return str(one.getsockname()[0])

    def user(self, name: str) -> Path:
        """The kubeconfig of another user: token, exec, limited, viewer, expired."""
        return Path(cluster("kubeconfig", self.name, "--user", name).strip())

    def kubectl(self, *arguments: str, timeout: float = 60, stdin: str = "") -> str:
        return run("kubectl", "--kubeconfig", str(self.kubeconfig), *arguments, timeout=timeout, stdin=stdin)

    def fault(self, kind: str, *arguments: str) -> None:
        """Only for a cluster of one's own: the cluster `kfw` is shared."""
        assert self.name != "kfw", "faults are for the fixture own_cluster, others use the cluster kfw"
        cluster("fault", self.name, kind, *arguments)


def up(name: str) -> Rig:
    """A cluster of one's own with the demo on it, fixed if it has faults: some 10 s."""
    cluster("up", name, "--load", timeout=300)
    lines = (line.partition("=") for line in shlex.split(cluster("env", name).replace("export ", "")))
    return Rig.from_environment({variable: value for variable, _, value in lines})


def cluster(*arguments: str, timeout: float = 120) -> str:
    return run(str(PROGRAM), *arguments, timeout=timeout)


def run(*argv: str, timeout: float, stdin: str = "") -> str:
    """Stdout; a failure raises with what the program said."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{shlex.join(argv)} ended with {done.returncode}: {done.stderr.strip()}"
    return done.stdout
