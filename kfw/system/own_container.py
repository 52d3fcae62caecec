"""Where this process runs: on a host, or in a container, and in which."""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

#: Written by docker, and by podman.
_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
#: A container's id in the paths of what docker and podman mount into it, and in cgroup v1's lines.
_ID = re.compile(r"/(?:containers|overlay-containers|docker|libpod)[/-]([0-9a-f]{64})")
#: Of the mounts only these are the container's own for sure; others may be volumes.
_OWN_MOUNT = re.compile(r" /etc/(?:hostname|hosts|resolv\.conf) ")
_MOUNTS, _CGROUPS = Path("/proc/self/mountinfo"), Path("/proc/self/cgroup")


def in_container(env: Mapping[str, str] = os.environ) -> bool:
    """KFW_IN_CONTAINER says it for runtimes that leave no mark."""
    if said := env.get("KFW_IN_CONTAINER"):
        return said not in ("0", "false", "no")
    return any(mark.exists() for mark in _MARKS)


def own_names(env: Mapping[str, str] = os.environ) -> list[str]:
    """What this container may be called, by preference; docker knows whether it is.

    The host name is the id only without --hostname and without host networking; the mounts tell it in any case.
    """
    named = [env["KFW_CONTAINER"]] if env.get("KFW_CONTAINER") else []
    return list(dict.fromkeys([*named, *_ids(), socket.gethostname()]))


def ids_in(mounts: str, cgroups: str) -> list[str]:
    own = "\n".join(line for line in mounts.splitlines() if _OWN_MOUNT.search(line))
    return list(dict.fromkeys(_ID.findall(f"{own}\n{cgroups}")))


def _ids() -> list[str]:
    return ids_in(_text(_MOUNTS), _text(_CGROUPS))


def _text(place: Path) -> str:
    try:
        return place.read_text(errors="replace")
    except OSError:
        return ""
