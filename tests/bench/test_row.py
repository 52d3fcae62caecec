import pytest

from tests.bench.row import clearly_broken, closing, paired, row, table


@pytest.mark.parametrize(
    ("value", "than", "bound", "holds"),
    [
        (1.9, None, "< 2", True),
        (2.0, None, "< 2", False),
        (0, None, "== 0", True),
        (1, None, "== 0", False),
        (150, 100, ">= 1.5x", True),
        (149, 100, ">= 1.5x", False),
        (29, 10, "<= 3x", True),
        (31, 10, "<= 3x", False),
        (7, None, "", True),
    ],
)
def test_a_bound_is_on_the_value_or_with_an_x_on_the_ratio(
    value: float, than: float | None, bound: str, holds: bool
) -> None:
    assert row("speed", value, "MB/s", bound, than=than)["holds"] is holds


def test_a_row_has_what_the_issue_names() -> None:
    assert row("start", 0.41234567, "s", "<= 3x", than=0.2) == {
        "name": "start",
        "value": 0.4123,
        "unit": "s",
        "than": 0.2,
        "ratio": 2.062,
        "bound": "<= 3x",
        "holds": True,
    }


@pytest.mark.parametrize("bound", ["fast", "2", "< 2 s", "=< 2"])
def test_a_bound_that_nobody_can_read_is_refused(bound: str) -> None:
    with pytest.raises(AssertionError, match="is not a bound"):
        row("start", 1, "s", bound)


def test_a_ratio_needs_something_to_compare_with() -> None:
    with pytest.raises(AssertionError, match="needs something to compare with"):
        row("start", 1, "s", "<= 3x")


@pytest.mark.parametrize(
    ("value", "bound", "broken"),
    [
        (1.9, "< 1", False),
        (2.1, "< 1", True),
        (0.8, ">= 1.5x", False),
        (0.7, ">= 1.5x", True),
        (1, "== 0", True),
    ],
)
def test_only_what_misses_its_bound_by_more_than_twice_is_clearly_broken(
    value: float, bound: str, broken: bool
) -> None:
    assert clearly_broken(row("speed", value, "x", bound, than=1)) is broken


def test_the_table_marks_what_does_not_hold() -> None:
    lines = table([row("start", 3, "s", "< 2"), row("speed", 30, "MB/s", ">= 1.5x", than=10)]).splitlines()
    assert [line.split()[-1] for line in lines] == ["holds", "NO", "yes"]
    assert "3.00x" in lines[2] and "10 MB/s" in lines[2]


def test_of_paired_rounds_the_ratio_is_the_median_of_their_ratios() -> None:
    made = paired("speed", "MB/s", ">= 1.5x", [(300, 100), (20, 10), (10, 100)])
    assert (made["value"], made["than"], made["ratio"], made["holds"]) == (20, 100, 2.0, True)


def test_of_nothing_there_is_no_ratio() -> None:
    assert row("failed", 0, "connections", "== 0", than=0)["ratio"] is None


def test_the_last_words_count_what_has_a_bound_and_name_what_does_not_hold() -> None:
    rows = [row("start", 3, "s", "< 2"), row("stop", 1, "s", "< 2"), row("size", 7, "MB")]
    assert closing(rows, ["relay"], 61.2).splitlines() == [
        "1 of 2 figures hold, measured in 61 s",
        "not measured, see above: relay",
        "these do not:",
        "  start: 3 s, not < 2",
    ]
