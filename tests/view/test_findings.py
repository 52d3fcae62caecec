"""What the doctor found, as lines: within the window, each fix on a line of its own, whole."""

from typing import Any

import pytest

from kfw.view.findings import conclusion, report_lines, section_lines

FIX = "kubectl --context dev -n shop get pods --show-labels --all-namespaces --output wide"
LONG = "words " * 40


def section(*levels: str, name: str = "api", not_asked: tuple[str, ...] = ()) -> dict[str, Any]:
    findings = [
        {"hop": "target", "level": level, "what": LONG, "fix": FIX if level == "error" else ""}
        for level in levels
    ]
    return {"about": "forward", "name": name, "findings": findings, "notAsked": list(not_asked)}


@pytest.mark.parametrize("width", [60, 80, 140])
def test_lines_fit_and_the_fix_stays_one_line(width: int) -> None:
    lines = section_lines(section("ok", "error", not_asked=("pod", "answer")), width=width, colour=False)
    assert lines[0] == "forward api"
    assert all(len(line) <= width for line in lines if FIX not in line)
    assert sum(line.strip() == FIX for line in lines) == 1
    assert lines[-1].strip() == "skipped: pod, answer"


def test_what_was_not_asked_at_all_is_one_line() -> None:
    assert section_lines(section(not_asked=("rights", "pod")), width=80, colour=False) == [
        "forward api: skipped"
    ]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ([section("ok", "warning")], "no fault found"),
        ([section("ok"), section("error", name="db")], "one fault: forward db, target"),
        ([section("error", name="a"), section("error", name="b")], "2 faults, the first: forward a, target"),
    ],
)
def test_the_conclusion_names_the_first_fault(sections: list[dict[str, Any]], said: str) -> None:
    assert conclusion({"sections": sections}) == said


def test_a_report_holds_all_of_it_and_no_control_characters() -> None:
    lines = report_lines(
        {"sections": [section("error", name="a\x1b[2Jb")]}, ["kfw 1"], ["a line \x07 of the log"]
    )
    text = "\n".join(lines)
    assert "- kfw 1" in text
    assert FIX in text
    assert "a line" in text
    assert "\x1b" not in text
    assert "\x07" not in text
