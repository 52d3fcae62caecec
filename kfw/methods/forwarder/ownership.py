"""Whose a forwarder container is, by its labels: only what is ours, and whose process is gone, is ever removed."""

import socket
from collections.abc import Iterable

from kfw import paths
from kfw.engine.docker import Container
from kfw.methods.forwarder import lines
from kfw.system import process_identity


def owner() -> str:
    """Whose containers these are: this user's kfw on this machine, also where many share one engine."""
    import hashlib  # 0.6 MB that a daemon without containers does without

    return hashlib.sha256(f"{socket.gethostname()}:{paths.state_dir()}".encode()).hexdigest()[:12]


def labels_of(pid: int) -> dict[str, str]:
    """For the containers of this process of ours."""
    seen = process_identity.look(pid)
    return {lines.OWNER: owner(), lines.PROCESS: f"{pid}:{seen.start if seen else ''}"}


def leftovers(told: Iterable[Container]) -> list[str]:
    """Ids of those of our containers whose process is gone."""
    return [one.id for one in told if not _lives(one.labels.get(lines.PROCESS, ""))]


def ours() -> dict[str, str | None]:
    """The labels of the containers that any process of this kfw has started."""
    return {lines.OWNER: owner(), lines.PROCESS: None}


def _lives(process: str) -> bool:
    pid, _, start = process.partition(":")
    seen = process_identity.look(int(pid)) if pid.isdecimal() else None
    return seen is not None and seen.start == start
