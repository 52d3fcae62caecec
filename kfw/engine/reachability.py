"""Who can reach a node of kind: which container runtime this is, and whether it routes to its containers. Pure.

From kind's documentation and Colima's source; where a runtime is not told apart for sure, a probe decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kfw.engine.docker import Engine


class Runtime(StrEnum):
    LINUX = "a Docker Engine on this Linux"
    ROOTLESS = "a rootless engine"
    DOCKER_DESKTOP = "Docker Desktop"
    COLIMA = "Colima"
    RANCHER = "Rancher Desktop"
    ORBSTACK = "OrbStack"
    PODMAN_MACHINE = "a podman machine"
    REMOTE = "an engine on another machine"
    UNKNOWN = "a container engine"


#: The runtimes whose containers have addresses that end at a virtual machine's or a namespace's wall.
_WALLED = frozenset(
    {
        Runtime.ROOTLESS,
        Runtime.DOCKER_DESKTOP,
        Runtime.COLIMA,
        Runtime.RANCHER,
        Runtime.PODMAN_MACHINE,
        Runtime.REMOTE,
    }
)
#: Those that route to their containers: what the host does not reach there, a container beside them does not either.
_OPEN = frozenset({Runtime.LINUX, Runtime.ORBSTACK})
_BY_NAME = {
    "colima": Runtime.COLIMA,
    "docker-desktop": Runtime.DOCKER_DESKTOP,
    "orbstack": Runtime.ORBSTACK,
    "rancher-desktop": Runtime.RANCHER,
    "lima-rancher-desktop": Runtime.RANCHER,
}
_BY_OS = {
    "Docker Desktop": Runtime.DOCKER_DESKTOP,
    "OrbStack": Runtime.ORBSTACK,
    "Rancher Desktop": Runtime.RANCHER,
}


@dataclass(frozen=True)
class Here:
    """This machine, as far as reach goes. `platform` is sys.platform."""

    platform: str
    in_container: bool
    env: Mapping[str, str]


def runtime(engine: Engine, here: Here) -> Runtime:
    name = engine.name.lower()
    if found := _BY_OS.get(engine.os) or _BY_NAME.get(name):
        return found
    if "colima" in name:  # `colima-PROFILE`
        return Runtime.COLIMA
    if engine.rootless and here.platform == "linux":
        return Runtime.ROOTLESS
    if here.env.get("DOCKER_HOST", "").startswith(("tcp:", "ssh:")):
        return Runtime.REMOTE
    if here.platform == "linux":
        return Runtime.LINUX
    if "podman" in name or "coreos" in engine.os.lower() or "fedora" in engine.os.lower():
        return Runtime.PODMAN_MACHINE
    return Runtime.UNKNOWN


def no_direct_way(engine: Engine, here: Here) -> str | None:
    """Why it is no use to try the nodes' own addresses; None: a probe shall decide."""
    if here.in_container:
        return None  # beside the nodes, on their network
    kind = runtime(engine, here)
    if kind in _WALLED:
        return f"{kind} keeps the addresses of its containers to itself"
    return None


def no_detour(engine: Engine, here: Here) -> str | None:
    """Why a container beside the nodes would be no help where their own addresses do not answer."""
    if here.in_container:
        return "kfw runs in a container itself, and docker publishes on the host"
    kind = runtime(engine, here)
    return f"{kind} routes to its containers, so another one would not reach more" if kind in _OPEN else None
