"""The quick start's scripts on this machine, as a user runs them, with an empty home and the rig's kind and docker."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.quick_start.engine import ROOT, Done, docker
from tests.quick_start.kind import FORWARDS, IMAGE, PAUSE, path
from tests.real.running import KFW, Kfw, until
from tests.real.talk import free_ports, get

#: A kubeconfig with the current context that the seed's authors were surprised by.
THEIRS = """apiVersion: v1
kind: Config
current-context: rancher-desktop
contexts: [{name: rancher-desktop, context: {cluster: rancher-desktop, user: rancher-desktop}}]
clusters: [{name: rancher-desktop, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: rancher-desktop, user: {}}]
"""


class Host:
    """`theirs` is the user's own kubeconfig, which nobody may touch; `ports` are free ones for the five forwards.

    `root`: another checkout, which makes a .venv of its own.
    """

    def __init__(self, cluster: str, env: Mapping[str, str] | None = None, root: Path = ROOT) -> None:
        self.cluster = cluster
        self.root = root
        self.kfw = Kfw("")
        self.theirs = self.kfw.folder / "theirs"
        self.theirs.write_text(THEIRS)
        self.ports = dict(zip(FORWARDS, free_ports(len(FORWARDS)), strict=True))
        self.config = self.kfw.folder / "five.yaml"
        self.configure({})
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        self.kfw.env = {
            **self.kfw.env,
            "PATH": path(),
            "KUBECONFIG": str(self.theirs),
            "XDG_CACHE_HOME": cache,
            "CLUSTER_NAME": cluster,
            "SERVICES_IMAGE": IMAGE,
            **({"VENV": str(KFW.parents[1])} if root == ROOT else {}),
            **(env or {}),
        }

    def configure(self, changes: Mapping[str, Mapping[str, object]]) -> None:
        """The five forwards on free ports, with `changes` by name."""
        forwards = {
            name: {**forward, "localPort": self.ports[name], **changes.get(name, {})}
            for name, forward in FORWARDS.items()
        }
        self.config.write_text(yaml.safe_dump({"portForwards": forwards}))

    @property
    def kubeconfig(self) -> Path:
        """The one that bootstrap writes."""
        return self.kfw.home / "state/quick-start" / f"kubeconfig-{self.cluster}"

    def run(self, script: str, *options: str, code: int | None = 0, timeout: float = 180) -> Done:
        done = subprocess.run(
            self._argv(script, options),
            env=self.kfw.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert code is None or done.returncode == code, f"{done.returncode}: {done.stderr}\n{self.kfw.log()}"
        return done

    def bootstrap(self, *options: str, code: int | None = 0) -> Done:
        return self.run("bootstrap.sh", "--yes", "--kind", "--skip-openchoreo", *options, code=code)

    def start(self, script: str, *options: str) -> "subprocess.Popen[str]":
        """For what stays in the foreground."""
        return subprocess.Popen(
            self._argv(script, options),
            env=self.kfw.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def _argv(self, script: str, options: tuple[str, ...]) -> list[str]:
        return [str(self.root / "quick-start" / script), *options, "--config", str(self.config)]

    def answers(self) -> dict[str, str]:
        return {name: app_behind(name, port) for name, port in self.ports.items()}

    def until_answers(self, wanted: Mapping[str, str], within: float) -> None:
        def answer() -> bool:
            return self.answers() == wanted

        until(answer, within, lambda: f"{wanted}, but it is {self.answers()}\n{self.kfw.log()}")

    def until_nothing_runs(self) -> None:
        """The daemon ends when its last forward is down, a moment after the script."""
        until(
            lambda: not self.kfw.processes(),
            5,
            lambda: f"nothing is left, but there is {self.kfw.processes()}",
        )

    def until_all_answer(self, within: float = 20.0) -> None:
        self.until_answers({name: name for name in FORWARDS}, within)


def app_behind(name: str, port: int) -> str:
    """What answers on this port of 127.0.0.1 calls itself; "" where nobody answers."""
    scheme = "https" if name == "gateway-external" else "http"
    try:
        return str(get(f"{scheme}://127.0.0.1:{port}/", timeout=2)["app"])
    except (OSError, ValueError):
        return ""


@contextmanager
def strangers() -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """Programs of somebody else that look like ours: a socat, a kubectl port-forward. They must live through all."""
    first, second = free_ports(2)
    lines = {
        "socat": ["socat", f"TCP-LISTEN:{first},fork,reuseaddr,bind=127.0.0.1", "TCP:127.0.0.1:1"],
        # A kubectl wants a cluster; this has the command line that a careless pkill looks for.
        "kubectl": ["bash", "-c", f"exec -a 'kubectl port-forward svc/web {second}:80' sleep 600"],
    }
    running = {name: subprocess.Popen(line, stderr=subprocess.DEVNULL) for name, line in lines.items()}
    try:
        yield running
        for name, process in running.items():
            assert process.poll() is None, f"the {name} of somebody else was ended"
    finally:
        for process in running.values():
            process.send_signal(signal.SIGKILL)
            process.wait()


@contextmanager
def strange_containers(cluster: str) -> Iterator[None]:
    """Containers of somebody else whose names look like ours. They must live through all.

    A node of a cluster whose name begins like ours, a forwarder of another user's kfw, a container of the image's name.
    """
    told: dict[str, dict[str, str]] = {
        f"{cluster}-2-control-plane": {
            "io.x-k8s.kind.cluster": f"{cluster}-2",
            "io.x-k8s.kind.role": "control-plane",
        },
        f"kfw-forwarder-{cluster}-1-1": {
            "io.kfw.owner": "somebody",
            "io.kfw.forwarder": cluster,
            "io.kfw.process": "99999999:gone",
        },
        f"kfw-quick-start-{cluster}": {},
    }
    try:
        for name, labels in told.items():
            options = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
            docker("run", "-d", "--name", name, *options, PAUSE)
        yield
        for name in told:
            assert docker("inspect", "-f", "{{.State.Running}}", name).stdout == "true\n", name
    finally:
        docker("rm", "-f", *told)
