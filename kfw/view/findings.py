"""What the doctor found -> lines of text."""

from collections.abc import Mapping, Sequence
from typing import Any

from kfw.view import DIM, clean, paint, wrapped

Row = Mapping[str, Any]

#: By level: symbol and SGR code.
_LOOK = {"ok": ("✓", "32"), "warning": ("▲", "33"), "error": ("✗", "31")}
#: Columns of the longest hop's name.
_HOP = len("port in the pod")


def section_lines(section: Row, *, width: int, colour: bool) -> list[str]:
    """A heading, a line per finding with its fix below it, and what was not asked."""
    if not section["findings"]:
        return [paint(f"{title(section)}: skipped", DIM, colour)]
    lines = [title(section)]
    for finding in section["findings"]:
        symbol, code = _LOOK[finding["level"]]
        head = f"  {symbol} {finding['hop']:<{_HOP}}  "
        first, *rest = wrapped(clean(finding["what"]), width, indent=len(head))
        painted = f"  {paint(symbol, code, colour)}{head[3:]}"
        lines += [painted + first.strip(), *rest]
        # A line to type stays one line.
        lines += [f"{'':{len(head)}}{clean(finding['fix'])}"] if finding["fix"] else []
    if section["notAsked"]:
        said = f"skipped: {', '.join(section['notAsked'])}"
        lines += [paint(line, DIM, colour) for line in wrapped(said, width, indent=4)]
    return lines


def title(section: Row) -> str:
    """`this machine`, `cluster dev`, `forward api`"""
    return clean(f"{section['about']} {section['name']}") if section["name"] else "this machine"


def conclusion(examined: Row) -> str:
    faults = [
        (section, finding)
        for section in examined["sections"]
        for finding in section["findings"]
        if finding["level"] == "error"
    ]
    if not faults:
        return "no fault found"
    section, finding = faults[0]
    first = f"{title(section)}, {finding['hop']}"
    return f"one fault: {first}" if len(faults) == 1 else f"{len(faults)} faults, the first: {first}"


def report_lines(examined: Row, about: Sequence[str], log: Sequence[str]) -> list[str]:
    """Markdown for an issue. `about`: versions and what was typed; `log`: the daemon's last lines."""
    lines = ["# kfw doctor", "", *(f"- {clean(line)}" for line in about), f"- {conclusion(examined)}", ""]
    lines += ["```"]
    for section in examined["sections"]:
        lines += section_lines(section, width=120, colour=False)
    lines += ["```", ""]
    if log:
        lines += ["The daemon's last lines:", "", "```", *map(clean, log), "```", ""]
    return lines
