"""The columns of the table in windows of every width."""

import pytest
from rich.cells import cell_len

from kfw.tui.forward_table import _fit
from kfw.tui.sparkline import sparkline
from kfw.tui.table_columns import GAP, Column, cell, column_at, columns, middle_cut
from tests.tui.test_arrangement import live, some

FORWARDS = [*some(seed=3), live("a-name-that-is-long-enough-for-two", target="service/with-a-long-name-too")]


@pytest.mark.parametrize("width", range(44, 220, 4))
@pytest.mark.parametrize("has_notes", [False, True])
def test_they_fit_and_name_status_and_the_whole_address_are_always_there(width: int, has_notes: bool) -> None:
    shown = columns(FORWARDS, width, has_notes=has_notes)
    assert sum(column.width for column in shown) + GAP * (len(shown) - 1) <= width
    widths = dict(shown)
    assert [column.title for column in shown][:3] == ["NAME", "STATUS", "LOCAL"]
    assert widths["STATUS"] >= len("◐ reconnecting")
    assert widths["LOCAL"] >= max(len(one.cells["LOCAL"]) for one in FORWARDS)


def test_a_wider_window_never_shows_less() -> None:
    counts = [len(columns(FORWARDS, width, has_notes=True)) for width in range(44, 220)]
    assert counts == sorted(counts)
    assert counts[-1] == 10


def test_the_cluster_has_a_column_where_there_are_several_only() -> None:
    one = [live("a"), live("b")]
    several = [live("a"), live("b", context="prod")]
    assert "CLUSTER" not in dict(columns(one, 200, has_notes=False))
    assert "CLUSTER" in dict(columns(several, 200, has_notes=False))


def test_a_click_means_the_column_that_it_is_in() -> None:
    shown = [Column("NAME", 4), Column("STATUS", 14), Column("LOCAL", 9)]
    assert [column_at(shown, x) for x in (0, 5, 6, 21, 22, 32, 33)] == [
        "NAME", "NAME", "STATUS", "STATUS", "LOCAL", "LOCAL", "",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["plain", "日本語の名前", "a😀b", "", "x" * 50, "日" * 30])
@pytest.mark.parametrize("width", [1, 2, 3, 10, 40])
def test_a_cell_has_its_width_whatever_characters_are_in_it(text: str, width: int) -> None:
    assert cell_len(_fit(text, width)) == width


@pytest.mark.parametrize("width", range(3, 20))
def test_what_is_cut_in_the_middle_keeps_its_end(width: int) -> None:
    cut = middle_cut("shop/service/checkout:http", width)
    assert len(cut) == width
    assert cut[-1] == "p"


def test_a_rate_is_shown_with_its_sparkline_and_silence_is_empty() -> None:
    forward = live("a")
    assert cell(forward, Column("RATE", 21), 0.0, "").strip() == ""
    forward.rate_in, forward.rate_out = 1_200_000.0, 300_000.0
    forward.history.extend([0.0, 750_000.0, 1_500_000.0])
    assert cell(forward, Column("RATE", 21), 0.0, "") == "  1.5 MB/s         ▅█"


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([], "    "),
        ([0.0, 0.0], "    "),
        ([1.0], "   █"),
        ([1.0, 8.0, 0.0], " ▂█ "),
        ([9, 1, 2, 4, 8], "▂▃▅█"),
    ],
)
def test_a_sparkline_ends_with_the_newest_and_its_highest_is_full(values: list[float], shown: str) -> None:
    assert sparkline(values, 4) == shown
