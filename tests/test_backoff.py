"""One ladder for all that is tried again."""

import re
from pathlib import Path

import pytest

import kfw
from kfw.backoff import Backoff


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        (Backoff(1, 30), [0, 1, 2, 4, 8, 16, 30, 30]),
        (Backoff(0.25, 1.0), [0, 0.25, 0.5, 1, 1]),
        (Backoff(0.1, 1.0, multiplier=1.5), [0, 0.1, 0.15, 0.225]),
        (Backoff(5, 60, multiplier=1), [0, 5, 5, 5]),
        (Backoff(8, 2), [0, 2, 2]),
        (Backoff(0, 9), [0, 0, 0]),
    ],
)
def test_pauses_grow_from_the_first_to_the_longest(backoff: Backoff, pauses: list[float]) -> None:
    assert [backoff.after(failures) for failures in range(len(pauses))] == pytest.approx(pauses)


def test_before_a_failure_there_is_no_pause_and_a_million_do_not_overflow() -> None:
    assert Backoff(1, 30).after(-1) == 0
    assert Backoff(1, 30).after(1_000_000) == 30
    assert Backoff(1, 30, multiplier=10.0).after(1_000_000) == 30


def test_nobody_else_doubles_pauses_by_hand() -> None:
    """The sandbox is a package of its own, and the pool of the tunnel plans in its own steps."""
    by_hand = re.compile(
        r"2\.0 ?\*\*|\*\* ?min\(|(pause|backoff|delay) ?\* ?2|2 ?\* ?\w*(pause|delay|backoff)", re.IGNORECASE
    )
    package = Path(kfw.__file__).parent
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in sorted(package.rglob("*.py"))
        if path.relative_to(package).parts[0] != "sandbox"
        and path.name not in ("backoff.py", "dispatcher.py")
        for line in path.read_text().splitlines()
        if by_hand.search(line)
    ]
    assert found == []
