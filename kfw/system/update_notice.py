"""What is remembered of the last look for a newer kfw.

On the fast path of `kfw status`: nothing here may import typing or pathlib.
"""

from __future__ import annotations

from kfw import __version__
from kfw.folders import folder_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds between two questions that nobody asked for.
INTERVAL = 86400.0
#: Either switches it off: the user's, and that of a machine that is no person's.
_SWITCHES = ("KFW_NO_UPDATE_CHECK", "CI")


def notice_file() -> str:
    """Text: `TIME CURRENT LATEST`, LATEST being - where nothing is newer; in a second line what to type for it."""
    return f"{folder_of('cache', 'XDG_CACHE_HOME', '.cache')}/newer-version"


def notice(environ: Mapping[str, str]) -> str:
    """A sentence about the newer version that was found, "" is none."""
    if is_switched_off(environ):
        return ""
    try:
        _, current, latest, line = _remembered()
    except (OSError, ValueError):
        return ""
    if latest == "-" or current != __version__:
        return ""
    return f"kfw {latest} is available, this is {__version__}: {line}"


def is_due(now: float) -> bool:
    """Nobody asked for a day, or for this version; a clock that was put back counts as well."""
    try:
        checked, current, _, _ = _remembered()
        return not 0 <= now - float(checked) < INTERVAL or current != __version__
    except (OSError, ValueError):
        return True


def is_switched_off(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name, "") not in ("", "0", "false") for name in _SWITCHES)


def _remembered() -> tuple[str, str, str, str]:
    """Raises OSError, ValueError."""
    with open(notice_file(), encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 10 ms
        first, line, _ = file.read(4096).split("\n", 2)
    checked, current, latest = first.split()
    return checked, current, latest, line
