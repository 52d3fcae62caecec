"""The page's tables, from cells made by hand."""

from pathlib import Path

import pytest

from tests.real.chaos import cell as cells
from tests.real.chaos import report
from tests.real.chaos.cell import BARE, PLAIN_KUBECTL, Cell
from tests.real.chaos.faults import FAULTS

TITLES = {fault.name: fault.title for fault in FAULTS.values()}
RUN = {
    "day": "2026-01-01",
    "seconds": 1800,
    "commit": "abc",
    "seed": 1,
    "processor": "P",
    "cores": 2,
    "memory_gb": 24,
    "system": "Linux",
    "python": "3.11",
    "kubernetes": "v1.34",
    "kubectl": "v1.32",
    "load": 1.0,
}
CELLS = [
    Cell(fault="rollout", method="tunnel", tried=900, failed=0, quiet=0.41, live_lost=3, lost=2, counted=2),
    Cell(fault="rollout", method="kubectl", tried=900, failed=4, quiet=1.5, lost=8, counted=3),
    Cell(fault="rollout", method=PLAIN_KUBECTL, tried=900, failed=800, hand="no new connection is answered"),
    Cell(fault="rollout", method=BARE, tried=900, failed=0, quiet=0.3),
    Cell(fault="pods+api-blackhole", method="tunnel", tried=900, failed=9, quiet=12.04, active_in_vain=2.44),
    Cell(fault="daemon-killed", method="socat", tried=900, failed=9, lost=7, daemon_ended=True),
]


def test_a_row_is_a_fault_and_a_column_a_way() -> None:
    said = report.text(CELLS, RUN, TITLES)
    assert (
        "| rolling restart | 0 · 0.4 s · 3 |  |  | 4 · 1.5 s · 0 | **hand** 800 · 0.0 s · 0 | 0 · 0.3 s · 0 |"
        in said
    )
    assert "| the API server is silent | 9 · 12.0 s · 0 |" in said
    assert "| rolling restart | 0.0 s · 2 of 2 |  |  | 0.0 s · 3 of 8 |" in said
    assert "0.0 s · –" in said


def test_what_does_not_hold_is_named_and_counted() -> None:
    said = report.text(CELLS, RUN, TITLES)
    assert "2 of 4 cells of kfw hold. kfw needed a hand in 0 of 4, `kubectl port-forward` in 1 of 1." in said
    assert "- rolling restart, kubectl: counts 3 of 8 lost connections" in said
    assert "- pods go while the API server is silent, tunnel: says active for 2.4 s" in said
    assert "All of it holds." in report.text(CELLS[:1], RUN, TITLES)


def test_the_page_is_written_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n{}\nstale words\n{}\nafter\n".format(*report.MARKERS))
    report.write_page(CELLS, RUN, TITLES, page)
    written = page.read_text()
    assert written.startswith("before\n") and written.endswith("after\n")
    assert "stale" not in written and "rolling restart" in written
    with pytest.raises(AssertionError, match="no <!-- make chaos"):
        (tmp_path / "other.md").write_text("no markers")
        report.write_page(CELLS, RUN, TITLES, tmp_path / "other.md")


def test_the_page_of_the_docs_has_the_markers() -> None:
    assert all(marker in report.PAGE.read_text() for marker in report.MARKERS)


def test_cells_survive_their_file(tmp_path: Path) -> None:
    cells.write(tmp_path / "deep" / "cells.json", CELLS)
    assert cells.read(tmp_path / "deep" / "cells.json") == CELLS


def test_every_fault_has_a_title_of_its_own_and_methods() -> None:
    assert len(set(TITLES.values())) == len(FAULTS)
    for fault in FAULTS.values():
        assert fault.methods and set(fault.compared) <= set(fault.methods)


def test_what_was_run_a_second_time_is_named_once() -> None:
    name, title = next(iter(TITLES.items()))
    assert "a second time" not in report.text(CELLS, RUN, TITLES)
    assert f"as it was then: {title}." in report.text(CELLS, {**RUN, "again": [name, name]}, TITLES)
