"""colima's command lines, and what they answer. Pure.

colima 0.4 to 0.9: `status` fails when the profile does not run; its plain words go to stderr; `--json` (0.5.6) goes to
stdout, memory in bytes. `start` of a running profile changes nothing now, but writes the flags down for the next start:
resizing is stop, then start.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: What the quick start needs.
CPUS = 4
GIB = 8

_GIB = 1024**3
_DEFAULT = "default"


@dataclass(frozen=True)
class Machine:
    """A profile's virtual machine. `memory` and `disk` in bytes, 0 where an old colima does not say."""

    profile: str
    running: bool
    broken: bool = False
    runtime: str = ""
    arch: str = ""
    cpus: int = 0
    memory: int = 0
    disk: int = 0
    socket: str = ""

    @property
    def gib(self) -> float:
        return round(self.memory / _GIB, 1)

    @property
    def context(self) -> str:
        """docker's context for it."""
        return context_of(self.profile)


@dataclass(frozen=True)
class Mac:
    """What decides which flags `start` knows: --vm-type is macOS only, Rosetta Apple silicon with macOS 13 only."""

    darwin: bool
    arm: bool
    version: int = 0  # macOS 13 is 13

    @property
    def can_vz(self) -> bool:
        return self.darwin and self.version >= 13


def context_of(profile: str) -> str:
    return "colima" if profile in ("", _DEFAULT) else f"colima-{profile}"


def status(profile: str) -> list[str]:
    return ["colima", "status", *_profile(profile), "--json"]


def plain_status(profile: str) -> list[str]:
    """For a colima that knows no --json: only the exit code counts."""
    return ["colima", "status", *_profile(profile)]


def list_profiles() -> list[str]:
    """One JSON object a line."""
    return ["colima", "list", "--json"]


def start(profile: str, mac: Mac, *, cpus: int = CPUS, gib: int = GIB) -> list[str]:
    vz = ["--vm-type", "vz", *(["--vz-rosetta"] if mac.arm else [])] if mac.can_vz else []
    return ["colima", "start", *_profile(profile), "--cpu", str(cpus), "--memory", str(gib), *vz]


def stop(profile: str, *, force: bool = False) -> list[str]:
    return ["colima", "stop", *_profile(profile), *(["--force"] if force else [])]


def machine(out: str, profile: str) -> Machine:
    """Of `status --json` that succeeded; an answer that is not JSON says only that it runs."""
    told = _object(out)
    return Machine(
        profile=profile,
        running=True,
        runtime=str(told.get("runtime") or ""),
        arch=str(told.get("arch") or ""),
        cpus=int(told.get("cpu") or 0),
        memory=int(told.get("memory") or 0),
        disk=int(told.get("disk") or 0),
        socket=str(told.get("docker_socket") or "").removeprefix("unix://"),
    )


def listed(out: str, profile: str) -> Machine | None:
    """Of `list --json`; None: there is no such profile."""
    for line in out.splitlines():
        told = _object(line)
        if told.get("name") == (profile or _DEFAULT):
            return Machine(
                profile=profile,
                running=told.get("status") == "Running",
                broken=told.get("status") == "Broken",
                runtime=str(told.get("runtime") or ""),
                arch=str(told.get("arch") or ""),
                cpus=int(told.get("cpus") or 0),
                memory=int(told.get("memory") or 0),
                disk=int(told.get("disk") or 0),
            )
    return None


def sockets(env: Mapping[str, str], home: str, profile: str) -> list[str]:
    """Where the profile's docker socket may be, by preference: COLIMA_HOME, ~/.colima, then XDG's place."""
    bases = [f"{home}/.colima", f"{env.get('XDG_CONFIG_HOME') or home + '/.config'}/colima"]
    if own := env.get("COLIMA_HOME"):
        bases = [own]
    name = profile or _DEFAULT
    before_0_4 = [f"{base}/docker.sock" for base in bases] if name == _DEFAULT else []
    return [f"{base}/{name}/docker.sock" for base in bases] + before_0_4


def _profile(profile: str) -> Sequence[str]:
    return () if profile in ("", _DEFAULT) else ("--profile", profile)


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
