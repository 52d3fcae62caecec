"""The exit code of up and wait."""

from typing import Any

import pytest

from kfw.commands._waiting import exit_code


def of(status: str, reason: str | None = None) -> dict[str, Any]:
    return {"status": status, "reason": reason}


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], 0),
        ([of("active"), of("disabled")], 0),
        ([of("starting")], 7),
        ([of("reconnecting", "no-ready-pod")], 7),
        ([of("reconnecting", "login-expired")], 5),
        ([of("degraded", "unhealthy")], 1),
        ([of("stopped", "user-stopped")], 1),
        ([of("error", "target-not-found")], 1),
        ([of("error", "port-in-use")], 6),
        ([of("error", "tool-missing")], 8),
        ([of("error", "context-not-found")], 2),
        ([of("suspended", "cluster-unreachable")], 4),
        ([of("suspended", "not-permitted")], 5),
        ([of("starting"), of("active"), of("error", "port-in-use")], 6),
        ([of("suspended", "cluster-unreachable"), of("error", "target-not-found")], 1),
    ],
)
def test_the_worst_forward_decides(rows: list[dict[str, Any]], code: int) -> None:
    assert exit_code(rows) == code
