from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import picture, report
from tests.bench.row import Row, row

DOWN = "one stream down, than kubectl"
ROWS = [
    row(f"tunnel: {DOWN}", 300, "MB/s", ">= 1.1x", than=200),
    row(f"kr8s: {DOWN}", 100, "MB/s", than=200),
    row(
        "tunnel: API silent for 20 s, from its end to the first answer, than kubectl",
        0.2,
        "s",
        "< 0.1",
        than=8,
    ),
]


def test_who_is_compared_with_comes_out_of_the_name() -> None:
    said = report.spoken(ROWS[0])
    assert said == report.Spoken("tunnel: one stream down", "300 MB/s", "kubectl: 200 MB/s", "1.50x")


def test_failures_are_said_as_so_many_of_so_many() -> None:
    said = report.spoken(
        row("tunnel: restart, failed of 2000, than kubectl of 1900", 0, "connections", "== 0", than=754)
    )
    assert said == report.Spoken("tunnel: restart, failed", "0 of 2000", "kubectl: 754 of 1900", "")


def test_failures_without_a_rival() -> None:
    said = report.spoken(row("tunnel: killed, failed of 20", 3, "connections", "== 0"))
    assert (said.ours, said.theirs) == ("3 of 20", "")


def test_the_long_table_has_all_rows_and_marks_what_does_not_hold() -> None:
    lines = report.long_table(ROWS).splitlines()
    assert [line.split("|")[-2].strip() for line in lines[2:]] == ["yes", "", "**no**"]


def test_the_verdict_counts_what_has_a_bound_and_what_does_not_hold_is_named() -> None:
    assert report.verdict(ROWS) == "1 of 2 figures that have a bound hold"
    assert report.missed(ROWS).splitlines()[2:] == [f"- {ROWS[2]['name']}: must be `< 0.1`"]


def test_a_table_of_a_part_of_the_bench_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"run make bench: .*kfw start"):
        report.short_table(ROWS)


def test_only_what_is_between_the_markers_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.put(page, "new")
    assert page.read_text() == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n")
    with pytest.raises(AssertionError, match="has no"):
        report.put(page, "new")
    assert page.read_text() == "before\n"


def test_a_panel_has_kfw_kubectl_and_who_else_was_measured() -> None:
    assert picture.bars(ROWS, DOWN) == [
        ("kfw", 300, "300 MB/s"),
        ("kubectl", 200, "200 MB/s"),
        ("kr8s", 100, "100 MB/s"),
    ]


def test_bars_are_as_long_as_their_values() -> None:
    widths = _widths(picture.picture(ROWS[:2]))
    assert widths == [
        picture.BAR,
        pytest.approx(picture.BAR * 2 / 3, abs=0.1),
        pytest.approx(picture.BAR / 3, abs=0.1),
    ]


def test_what_was_not_measured_has_no_panel() -> None:
    rows: list[Row] = [row(f"kr8s: {DOWN}", 100, "MB/s", than=200)]
    assert _widths(picture.picture(rows)) == []


def _widths(svg: str) -> list[float]:
    rects = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect")
    return [float(rect.attrib["width"]) for rect in rects if rect.attrib["class"] in {"ours", "other"}]
