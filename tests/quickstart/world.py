"""A machine whose programs answer as a test has written down, and Steps that run on it."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kfw.errors import KfwError, ToolMissing
from kfw.quickstart.steps import Steps
from kfw.system.shell import CommandAnswer

#: What `docker info` says on a Linux with its own engine.
LINUX: dict[str, Any] = {
    "Name": "box",
    "OperatingSystem": "Debian GNU/Linux 12",
    "ServerVersion": "28.2.2",
    "NCPU": 8,
    "MemTotal": 16 * 1024**3,
    "DockerRootDir": "/",
}
DESKTOP: dict[str, Any] = {**LINUX, "Name": "docker-desktop", "OperatingSystem": "Docker Desktop"}

Said = str | CommandAnswer | KfwError | Callable[[], "Said"]


class Machine:
    """`says("docker info", json)`: the answer to every command that begins so; the longest beginning counts."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.said: list[str] = []
        self.shown: list[str] = []
        self.kfw: list[str] = []
        self.kfw_code = 0
        self._answers: dict[str, Said] = {}

    def says(self, beginning: str, answer: Said = "") -> None:
        self._answers[beginning] = answer

    def fails(self, beginning: str, err: str = "it failed", code: int = 1, out: str = "") -> None:
        self._answers[beginning] = CommandAnswer((), code, out, err)

    def lacks(self, tool: str) -> None:
        self._answers[tool] = ToolMissing(f"cannot find {tool} on PATH", f"brew install {tool}")

    def run(self, argv: Sequence[str], **_: object) -> CommandAnswer:
        line = shlex.join(argv)
        self.ran.append(line)
        fitting = [known for known in self._answers if line == known or line.startswith(f"{known} ")]
        if not fitting:
            raise AssertionError(f"nobody has said what this answers: {line}")
        said = self._answers[max(fitting, key=len)]
        while callable(said):
            said = said()
        if isinstance(said, KfwError):
            raise said
        return (
            CommandAnswer(tuple(argv), said.code, said.out, said.err)
            if isinstance(said, CommandAnswer)
            else CommandAnswer(tuple(argv), 0, said)
        )

    def steps(self, *, dry: bool = False, agree: bool = False, verbose: bool = False) -> Steps:
        def kfw(argv: Sequence[str]) -> int:
            self.kfw.append(shlex.join(argv))
            return self.kfw_code

        return Steps(
            say=self.said.append,
            show=self.shown.append,
            agree=lambda _: agree,
            dry=dry,
            verbose=verbose,
            run=self.run,
            kfw=kfw,
        )

    def has_engine(self, info: Mapping[str, Any] = LINUX) -> None:
        self.says("docker info", json.dumps(info))
        self.says("docker ps")

    def has_cluster(
        self,
        name: str,
        *,
        stopped: Sequence[str] = (),
        nodes: Sequence[str] = (),
        states: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """A kind cluster with these nodes, control plane and worker by default; `states` as `docker inspect` has them."""
        names = nodes or (f"{name}-control-plane", f"{name}-worker")
        self.says("kind get clusters", f"{name}\n")
        self.says(
            f"docker ps --all --quiet --no-trunc --filter label=io.x-k8s.kind.cluster={name}",
            "\n".join(names),
        )
        told = [node(one, name, running=one not in stopped, state=(states or {}).get(one)) for one in names]
        self.says(f"docker inspect --type container {' '.join(names)}", json.dumps(told))
        self.says("kind export kubeconfig")
        self.says("kubectl", "ok")

    def ran_any(self, beginning: str) -> bool:
        return any(line.startswith(beginning) for line in self.ran)


def node(
    name: str,
    cluster: str,
    *,
    running: bool = True,
    ports: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """As `docker inspect` tells of a node of kind."""
    role = "control-plane" if "control-plane" in name else "worker"
    return {
        "Id": f"id-of-{name}",
        "Name": f"/{name}",
        "Image": "sha256:node",
        "State": state or {"Status": "running" if running else "exited", "StartedAt": "2026-01-02T03:04:05Z"},
        "Config": {"Labels": {"io.x-k8s.kind.cluster": cluster, "io.x-k8s.kind.role": role}},
        "NetworkSettings": {"Networks": {"kind": {"IPAddress": "172.18.0.2"}}, "Ports": ports or {}},
    }
