"""One event, one explanation, one conversation with a port -> lines of text."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kfw.view import DIM, change_line, clean, local, paint, painted_status, target, wrapped

Row = Mapping[str, Any]


def event_line(event: Row, *, colour: bool) -> str:
    """`2026-11-21 07:40:12  api: active on localhost:9080`"""
    moment = datetime.fromisoformat(event["time"])
    row = event.get("forward")
    if event["type"] == "status" and row:
        text = change_line(row, moment.timestamp())
    else:
        said = (clean(event.get("name") or ""), event["type"], clean(event["message"]))
        text = ": ".join(part for part in said if part)
    return f"{paint(moment.astimezone().strftime('%Y-%m-%d %H:%M:%S'), DIM, colour)}  {text}"


def explain_lines(explanation: Row, *, width: int, colour: bool) -> list[str]:
    """The forward, then each method with `>` before the chosen one, then what that one cannot do."""
    row = explanation["forward"]
    lines = [clean(f"{row['name']}: {local(row)} -> {target(row)} in {row['context']}")]
    lines.append(f"status: {painted_status(row['status'], colour=colour)}")
    if note := clean(row.get("message") or ""):
        lines += wrapped(note, width, indent=2)
    if explanation.get("roundTripMs") is not None:
        lines.append(f"round trip: {explanation['roundTripMs']:.1f} ms")
    lines.append("ways:")
    longest = max((len(candidate["method"]) for candidate in explanation["candidates"]), default=0)
    for candidate in explanation["candidates"]:
        first, *rest = wrapped(clean(candidate["why"]) or "-", width, indent=longest + 5)
        mark = ">" if candidate["chosen"] else " "
        lines += [f"  {mark} {candidate['method']:<{longest}} {first.strip()}", *rest]
    if explanation["limits"]:
        lines.append("what this way cannot do:")
        for limit in explanation["limits"]:
            first, *rest = wrapped(clean(limit), width, indent=4)
            lines += [f"  - {first.strip()}", *rest]
    return lines


def verify_lines(results: Sequence[Row], *, colour: bool) -> list[str]:
    names = max(len(result["name"]) for result in results)
    places = max(len(result["local"]) for result in results)
    lines = []
    for result in results:
        mark = paint("✓", "32", colour) if result["ok"] else paint("✗", "31", colour)
        said = f"{result['protocol']} {clean(result['answer'])}".strip()
        lines.append(f"{mark} {clean(result['name']):{names}}  {result['local']:{places}}  {said}")
    return lines
