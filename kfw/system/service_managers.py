"""systemd's user manager and launchd: put the daemon's unit there, take it away, and ask how it is.

What was not written by kfw is not touched. Blocking: for commands only.
"""

import os
import plistlib
import pwd
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from kfw.errors import KfwError
from kfw.system.files import read_bounded, write_atomic
from kfw.system.service_units import LABEL, MARK, UNIT, UserService, launchd_agent, systemd_unit
from kfw.system.shell import CommandAnswer, run

#: Bytes of a unit, and seconds for the manager to answer; it stops the daemon meanwhile.
LARGEST, PATIENCE = 1_000_000, 60.0


class ServiceManager(Protocol):
    name: str
    file: Path

    def text(self, spec: UserService) -> str: ...

    def is_ours(self, text: str) -> bool:
        """What is in `file` was written by kfw."""
        ...

    def start(self) -> None:
        """From now on, and at each login. Raises KfwError in the manager's words."""
        ...

    def stop(self) -> None:
        """And do not start it again. Raises KfwError."""
        ...

    def forget(self) -> None:
        """The file is gone."""
        ...

    def state(self) -> dict[str, str]:
        """In the manager's words: whether it is enabled, whether it runs."""
        ...

    def hints(self) -> list[str]:
        """What to know besides, in sentences."""
        ...


class Systemd:
    name = "systemd"

    def __init__(self, home: Path, environ: Mapping[str, str] = os.environ) -> None:
        config = environ.get("XDG_CONFIG_HOME", "")
        base = Path(config) if config.startswith("/") else home / ".config"
        self.file = base / "systemd" / "user" / UNIT

    def text(self, spec: UserService) -> str:
        return systemd_unit(spec)

    def is_ours(self, text: str) -> bool:
        return text.startswith(MARK)

    def start(self) -> None:
        _done(_systemctl("daemon-reload"))
        _done(_systemctl("enable", UNIT))
        _done(_systemctl("start", UNIT))

    def stop(self) -> None:
        _done(_systemctl("disable", "--now", UNIT))

    def forget(self) -> None:
        _done(_systemctl("daemon-reload"))

    def state(self) -> dict[str, str]:
        return {
            "enabled": _systemctl("is-enabled", UNIT).out.strip() or "unknown",
            "active": _systemctl("is-active", UNIT).out.strip() or "unknown",
        }

    def hints(self) -> list[str]:
        user = pwd.getpwuid(os.getuid()).pw_name
        try:
            said = run(["loginctl", "show-user", user, "--property=Linger"], timeout=PATIENCE).out
        except KfwError:
            return []
        if "Linger=no" not in said:
            return []
        return ["it starts at login and ends at logout; `loginctl enable-linger` keeps it from boot on"]


class Launchd:
    name = "launchd"

    def __init__(self, home: Path) -> None:
        self.file = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self._domain = f"gui/{os.getuid()}"

    def text(self, spec: UserService) -> str:
        return launchd_agent(spec)

    def is_ours(self, text: str) -> bool:
        try:
            return bool(plistlib.loads(text.encode()).get("Label") == LABEL)
        except (ValueError, AttributeError, plistlib.InvalidFileException):
            return False

    def start(self) -> None:
        run(["launchctl", "bootout", f"{self._domain}/{LABEL}"], timeout=PATIENCE)  # it may be there or not
        _done(run(["launchctl", "bootstrap", self._domain, str(self.file)], timeout=PATIENCE))

    def stop(self) -> None:
        if self.state()["active"] == "active":
            _done(run(["launchctl", "bootout", f"{self._domain}/{LABEL}"], timeout=PATIENCE))

    def forget(self) -> None:
        """launchd reads the folder at the next login."""

    def state(self) -> dict[str, str]:
        there = run(["launchctl", "print", f"{self._domain}/{LABEL}"], timeout=PATIENCE).ok
        return {
            "enabled": "enabled" if self.file.exists() else "disabled",
            "active": "active" if there else "inactive",
        }

    def hints(self) -> list[str]:
        return ["it starts at login and ends at logout"]


def this_manager(home: Path) -> ServiceManager:
    return Launchd(home) if sys.platform == "darwin" else Systemd(home)


def installed(manager: ServiceManager) -> str | None:
    """The text of the file; None when there is none. Raises KfwError for one that is not ours."""
    try:
        text = read_bounded(manager.file, LARGEST).decode(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KfwError(f"cannot read {manager.file}: {error.strerror or error}") from error
    if not manager.is_ours(text):
        raise KfwError(f"{manager.file} was not written by kfw", "move it away, or edit it by hand")
    return text


def write(manager: ServiceManager, text: str) -> None:
    """Raises KfwError."""
    try:
        manager.file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KfwError(f"cannot make {manager.file.parent}: {error.strerror or error}") from error
    write_atomic(manager.file, text.encode())


def _systemctl(*words: str) -> CommandAnswer:
    """Raises ToolMissing."""
    return run(["systemctl", "--user", *words], timeout=PATIENCE)


def _done(answer: CommandAnswer) -> None:
    if not answer.ok:
        what = f"{' '.join(answer.argv)} failed: {answer.words}"
        raise KfwError(what, "`journalctl --user -u kfw` and `kfw logs` may say more")
