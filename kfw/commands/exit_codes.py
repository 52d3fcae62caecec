"""What the statuses of forwards mean for the exit code of `up` and `wait`."""

from collections.abc import Iterable
from typing import Any

from kfw.errors import EXIT_CODE_OF_REASON, KfwError, TimedOut

#: What is worst comes first; a forward that is disabled was not asked for.
_ORDER = ("error", "suspended", "stopped", "degraded", "reconnecting", "starting")
_STILL_TRYING = ("reconnecting", "starting")


def exit_code(rows: Iterable[dict[str, Any]]) -> int:
    """0 when all are active, else the exit code of the worst one's reason."""
    wrong = sorted((_ORDER.index(row["status"]), _code(row)) for row in rows if row["status"] in _ORDER)
    return wrong[0][1] if wrong else 0


def _code(row: dict[str, Any]) -> int:
    without = TimedOut.exit_code if row["status"] in _STILL_TRYING else KfwError.exit_code
    return EXIT_CODE_OF_REASON.get(row["reason"] or "", without)
