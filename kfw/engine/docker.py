"""docker's command lines, and what they answer. Pure; podman and nerdctl take the same lines.

Only the command line is used where it can be: DOCKER_HOST, contexts and the other providers of kind then all hold. Its
JSON is that of docker 20.10 to 29, podman 4 to 6 and nerdctl 2; where these differ, both are read.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kfw.errors import KfwError

#: What `docker inspect` says of a container's state when it runs, and when its processes are frozen.
_RUNNING, _PAUSED = "running", "paused"
#: Of one that has been made and never started: docker's word and podman's two.
_NEVER_STARTED = ("created", "configured", "initialized")
#: When such a one started. A podman that was booted again calls one "created" that has run before.
_NO_TIME = "0001-01-01"
_UNITS_PER_GIB = 1024**3


@dataclass(frozen=True)
class Engine:
    """What answers: `docker info`, only what kfw asks about. `memory` in bytes."""

    name: str = ""  # the host's: `colima`, `docker-desktop`, `orbstack`, or the machine's own
    os: str = ""  # "Docker Desktop", "Ubuntu 24.04", ...
    version: str = ""
    cpus: int = 0
    memory: int = 0
    root_dir: str = ""
    security: tuple[str, ...] = ()

    @property
    def rootless(self) -> bool:
        return any("rootless" in option for option in self.security)

    @property
    def gib(self) -> float:
        return round(self.memory / _UNITS_PER_GIB, 1)


@dataclass(frozen=True)
class EngineContainer:
    """One of `docker inspect`. `addresses` by network; `published` by container port, `(address, port)` on the host.

    `paused`: its processes are frozen; `created`: it has never run, and `error` may say why its start failed.
    """

    id: str
    name: str
    running: bool
    paused: bool = False
    created: bool = False
    error: str = ""
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[int, tuple[str, int]] = field(default_factory=dict)


# -- command lines


def info(tool: str = "docker") -> list[str]:
    """JSON on stdout. Exit code 0 although no engine answers (then it has `ServerErrors`): read it with `engine`."""
    return [tool, "info", "--format", "{{json .}}"]


def labelled(labels: Mapping[str, str | None], tool: str = "docker") -> list[str]:
    """Ids of containers with all these labels, one a line, stopped ones too. None: whatever the value."""
    filters = [name if value is None else f"{name}={value}" for name, value in labels.items()]
    return [
        tool,
        *("ps", "--all", "--quiet", "--no-trunc"),
        *(part for each in filters for part in ("--filter", f"label={each}")),
    ]


def labelled_images(label: str, tool: str = "docker") -> list[str]:
    """Ids of images, the newest first."""
    return [tool, "images", "--quiet", "--no-trunc", "--filter", f"label={label}"]


def inspect(names: Iterable[str], tool: str = "docker") -> list[str]:
    return [tool, "inspect", "--type", "container", *names]


def start(names: Iterable[str], tool: str = "docker") -> list[str]:
    return [tool, "start", *names]


def unpause(names: Iterable[str], tool: str = "docker") -> list[str]:
    """For those that `start` refuses: "cannot start a paused container, try unpause instead"."""
    return [tool, "unpause", *names]


def connect(network: str, container: str, tool: str = "docker") -> list[str]:
    return [tool, "network", "connect", network, container]


def remove(containers: Iterable[str], tool: str = "docker") -> list[str]:
    return [tool, "rm", "--force", "--volumes", *containers]


def published_port(container: str, port: int, tool: str = "docker") -> list[str]:
    """`127.0.0.1:49153` on stdout, a line per address."""
    return [tool, "port", container, f"{port}/tcp"]


def context_show() -> list[str]:
    return ["docker", "context", "show"]


def context_inspect(name: str) -> list[str]:
    return ["docker", "context", "inspect", name]


# -- answers


def engine(out: str) -> Engine | KfwError:
    """What `info` answered on stdout; the error says in docker's words why nothing answers."""
    told = _object(out)
    if errors := told.get("ServerErrors"):
        return KfwError(f"docker does not answer: {errors[0]}", reason="cluster-unreachable")
    if "host" in told:  # podman's own shape
        return _podman(told)
    if not told.get("ServerVersion"):
        return KfwError("docker does not answer", reason="cluster-unreachable")
    return Engine(
        name=str(told.get("Name") or ""),
        os=str(told.get("OperatingSystem") or ""),
        version=str(told["ServerVersion"]),
        cpus=int(told.get("NCPU") or 0),
        memory=int(told.get("MemTotal") or 0),
        root_dir=str(told.get("DockerRootDir") or ""),
        security=tuple(told.get("SecurityOptions") or ()),
    )


def containers(out: str) -> list[EngineContainer]:
    """What `inspect` answered on stdout."""
    try:
        told = json.loads(out or "[]")
    except (ValueError, RecursionError):
        return []
    return [_container(each) for each in told if isinstance(each, dict)]


def ids(out: str) -> list[str]:
    return list(dict.fromkeys(out.split()))


def port_of(out: str) -> int | None:
    """The first line of `published_port`'s answer."""
    _, colon, port = (out.splitlines() or [""])[0].rpartition(":")
    return int(port) if colon and port.isdecimal() else None


def context_host(out: str) -> str:
    """The endpoint of `context_inspect`'s answer, `unix:///…`; empty when it has none."""
    try:
        told = json.loads(out or "[]")
    except (ValueError, RecursionError):
        return ""
    first = told[0] if isinstance(told, list) and told else {}
    return str(first.get("Endpoints", {}).get("docker", {}).get("Host") or "")


@dataclass(frozen=True)
class Choice:
    """Which engine docker itself would talk to: the context's name, and who said so."""

    context: str
    said_by: str
    host: str = ""  # known only when DOCKER_HOST says it


def choice(env: Mapping[str, str], current: str) -> Choice:
    """docker's own order: DOCKER_HOST, then DOCKER_CONTEXT, then what `docker context use` wrote (`current`)."""
    if host := env.get("DOCKER_HOST"):
        return Choice("default", "DOCKER_HOST", host)
    if name := env.get("DOCKER_CONTEXT"):
        return Choice(name, "DOCKER_CONTEXT")
    return Choice(current or "default", "docker context use")


def _container(told: Mapping[str, Any]) -> EngineContainer:
    config, network = told.get("Config") or {}, told.get("NetworkSettings") or {}
    state = told.get("State") or {}
    status, started = state.get("Status"), str(state.get("StartedAt") or _NO_TIME)
    attached = network.get("Networks") or {}
    return EngineContainer(
        id=str(told.get("Id") or ""),
        name=str(told.get("Name") or "").removeprefix("/"),
        running=status == _RUNNING,
        paused=status == _PAUSED,
        created=status in _NEVER_STARTED and started.startswith(_NO_TIME),
        error=str(state.get("Error") or ""),
        image=str(told.get("Image") or ""),
        labels=dict(config.get("Labels") or {}),
        addresses={name: str((way or {}).get("IPAddress") or "") for name, way in attached.items()},
        published=dict(_published(network.get("Ports") or {})),
    )


def _published(
    ports: Mapping[str, Sequence[Mapping[str, str]] | None],
) -> Iterable[tuple[int, tuple[str, int]]]:
    for port, bindings in ports.items():
        number, _, protocol = port.partition("/")
        if protocol != "tcp" or not bindings or not str(bindings[0].get("HostPort") or "").isdecimal():
            continue
        yield int(number), (str(bindings[0].get("HostIp") or ""), int(bindings[0]["HostPort"]))


def _podman(told: Mapping[str, Any]) -> Engine:
    host = told["host"]
    rootless = bool((host.get("security") or {}).get("rootless"))
    distribution = (host.get("distribution") or {}).get("distribution")
    return Engine(
        name=str(host.get("hostname") or ""),
        os=str(distribution or ""),
        version=str((told.get("version") or {}).get("Version") or ""),
        cpus=int(host.get("cpus") or 0),
        memory=int(host.get("memTotal") or 0),
        root_dir=str((told.get("store") or {}).get("graphRoot") or ""),
        security=("name=rootless",) if rootless else (),
    )


def _object(out: str) -> dict[str, Any]:
    try:
        told = json.loads(out or "{}")
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
