import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfw.sandbox.controllers.deployments import Part, RolloutLimits, next_step


@pytest.mark.parametrize(
    ("desired", "surge", "unavailable", "limits"),
    [
        (3, "25%", "25%", RolloutLimits(1, 0)),
        (10, "25%", "25%", RolloutLimits(3, 2)),
        (1, "25%", "25%", RolloutLimits(1, 0)),
        (4, 2, 1, RolloutLimits(2, 1)),
        (4, 0, 0, RolloutLimits(0, 1)),
        (2, 0, "25%", RolloutLimits(0, 1)),
    ],
)
def test_percentages_round_surge_up_and_unavailable_down(
    desired: int, surge: int | str, unavailable: int | str, limits: RolloutLimits
) -> None:
    assert RolloutLimits.of(desired, surge, unavailable) == limits


def test_new_pods_come_first_and_old_ones_go_when_they_are_available() -> None:
    limits = RolloutLimits(1, 0)
    assert next_step(3, limits, Part("new", 0, 0), [Part("old", 3, 3)]) == {"new": 1}
    assert next_step(3, limits, Part("new", 1, 0), [Part("old", 3, 3)]) == {}
    assert next_step(3, limits, Part("new", 1, 1), [Part("old", 3, 3)]) == {"old": 2}


def test_old_pods_that_do_not_work_anyway_go_first() -> None:
    assert next_step(
        3, RolloutLimits(1, 1), Part("new", 1, 0), [Part("broken", 1, 0), Part("old", 2, 2)]
    ) == {"broken": 0}


def test_scaling_down_shrinks_the_new_one() -> None:
    assert next_step(2, RolloutLimits(1, 0), Part("new", 5, 5), []) == {"new": 2}


def test_nothing_is_done_when_all_is_as_wanted() -> None:
    assert next_step(3, RolloutLimits(1, 0), Part("new", 3, 3), [Part("old", 0, 0)]) == {}


@given(
    desired=st.integers(1, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    old=st.lists(st.integers(0, 6), max_size=3),
)
def test_a_rollout_ends_and_never_breaks_its_limits(
    desired: int, surge: int, unavailable: int, old: list[int]
) -> None:
    limits = RolloutLimits.of(desired, surge, unavailable)
    total = sum(old)
    counts = {"new": 0} | {f"old{place}": count for place, count in enumerate(old)}
    for _ in range(100):
        parts = {name: Part(name, count, count) for name, count in counts.items()}
        step = next_step(
            desired, limits, parts["new"], [part for name, part in parts.items() if name != "new"]
        )
        if not step:
            break
        grown = step.get("new", 0) > counts["new"]
        counts |= step
        assert not grown or sum(counts.values()) <= max(desired + limits.surge, total)
        assert grown or sum(counts.values()) >= min(desired - limits.unavailable, total)
    assert counts == {name: desired if name == "new" else 0 for name in counts}
