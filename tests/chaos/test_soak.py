"""How a soak is judged."""

import pytest

from tests.real.chaos.faults import FAULTS
from tests.real.chaos.load import OK, RESET, Attempt, Records
from tests.real.chaos.soak import Course, faults, growth, wrong

FLAT = (38.0, 30.0, 16.0)


def test_growth_is_that_of_the_last_half() -> None:
    assert growth([30, 35, 38, 39, 40, 40, 40, 40, 40, 40]) == pytest.approx(0)
    assert growth([40, 40, 40, 40, 40, 40, 41, 42, 43, 44]) == pytest.approx(4)
    assert growth([40, 40, 40, 40, 40, 40, 44, 40, 44, 40]) == pytest.approx(0, abs=2)
    assert growth([40]) == 0


def test_a_flat_course_without_a_hand_holds() -> None:
    assert wrong(Course(quiet=[FLAT] * 10)) == []


@pytest.mark.parametrize(("which", "step", "unit"), [(0, 0.5, "MB"), (1, 2, "descriptors"), (2, 10, "links")])
def test_what_grows_is_named(which: int, step: float, unit: str) -> None:
    quiet = [tuple(value + n * step * (i == which) for i, value in enumerate(FLAT)) for n in range(10)]
    (said,) = wrong(Course(quiet=quiet))  # type: ignore[arg-type]
    assert f"{4 * step:.1f} {unit} more" in said


def test_a_hand_is_named() -> None:
    assert wrong(Course(hands=["1.0 min, rollout: socat does not answer"], quiet=[FLAT])) == [
        "needed a hand: 1.0 min, rollout: socat does not answer"
    ]


def test_the_records_of_each_part_are_added() -> None:
    course = Course()
    seen = [Attempt("a", 0, 1, OK), Attempt("a", 0, 1, RESET), Attempt("a", 0, 1, RESET, 3, live=True)]
    for _ in range(2):
        course.add(Records(seen))
    assert (course.tried, course.failed, course.live_lost) == (4, 2, 2)


def test_a_soak_never_ends_the_daemon() -> None:
    names = [fault.name for fault in faults()]
    assert "daemon-killed" not in names and "pods+disk-full" not in names
    assert len(names) > 30 and set(names) < set(FAULTS)
