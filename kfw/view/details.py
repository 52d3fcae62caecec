"""One event, one explanation, one conversation with a port, connections -> lines of text.

Of connections: who talks to what, how much, and how it ended.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kfw.view import (
    DIM,
    MIN_WIDTH,
    change_line,
    clean,
    cut,
    cut_apart,
    hanging,
    local,
    own_host,
    paint,
    painted_status,
    shown,
    size,
    target,
    uptime,
    wrapped,
)

Row = Mapping[str, Any]
_HEADER = ("FORWARD", "CLIENT", "POD", "AGE", "FIRST BYTE", "IN", "OUT")
_GAP = "  "
#: Characters of a reason that is as quickly read again as what would stand for it.
_SHORT_WHY = 50
_NUMBERS = len(_HEADER) - 4  # the columns from here on stand to the right
_LEAST = {"POD": 8, "CLIENT": 12, "FORWARD": 8}
_COLOUR = {"waiting": "33", "lost": "31"}


def event_line(event: Row, *, colour: bool) -> str:
    """`2026-11-21 07:40:12+00:00  api: active on localhost:9080`"""
    moment = datetime.fromisoformat(event["time"])
    row = event.get("forward")
    if event["type"] == "status" and row:
        text = change_line(row, moment.timestamp())
    else:
        said = (
            clean(event.get("displayName") or event.get("name") or ""),
            event["type"],
            clean(event["message"]),
        )
        text = ": ".join(part for part in said if part)
    return f"{paint(on_screen(moment), DIM, colour)}  {text}"


def on_screen(moment: datetime, timespec: str = "seconds") -> str:
    """Here, and how far from UTC that is: `2026-11-21 08:40:12+01:00`. Files and JSON have RFC 3339 in UTC."""
    return moment.astimezone().isoformat(sep=" ", timespec=timespec)


def explain_lines(explanation: Row, *, width: int, colour: bool) -> list[str]:
    """The forward, then each method with `>` before the chosen one, then what that one cannot do."""
    row = explanation["forward"]
    lines = hanging(clean(f"{shown(row)}: {local(row)} -> {target(row)} in {row['context']}"), width, 2)
    if browser := own_host(row):
        lines += hanging(clean(f"in a browser also: {browser}"), width, 2)
    lines.append(f"status: {painted_status(row['status'], colour=colour)}")
    note = clean(row.get("message") or "")
    if note:
        lines += wrapped(note, width, indent=2)
    if explanation.get("roundTripMs") is not None:
        lines.append(f"round trip: {explanation['roundTripMs']:.1f} ms")
    if row["status"] in ("stopped", "disabled"):
        lines.append(f"it is not connected: `kfw up {row['name']}` starts it")
    elif explanation["candidates"]:
        lines.append("ways:")
    said = {note: "as above"}
    longest = max((len(candidate["method"]) for candidate in explanation["candidates"]), default=0)
    for candidate in explanation["candidates"]:
        why = clean(candidate["why"]) or "-"
        first, *rest = wrapped(said.get(why, why), width, indent=longest + 5)
        said.setdefault(why, why if len(why) < _SHORT_WHY else f"as {candidate['method']}")
        mark = ">" if candidate["chosen"] else " "
        lines += [f"  {mark} {candidate['method']:<{longest}} {first.strip()}", *rest]
    if explanation["limits"]:
        lines.append("limits of this method:")
        for limit in explanation["limits"]:
            first, *rest = wrapped(clean(limit), width, indent=4)
            lines += [f"  - {first.strip()}", *rest]
    if wanted := clean(explanation.get("wanted") or ""):
        lines += hanging(f"wanted: {wanted}", width, 2)
    for each in explanation.get("origins") or ():
        lines += hanging(clean(f"{each['key']}: {each['value']} ({each['origin']})"), width, 4)
    return lines


def verify_lines(results: Sequence[Row], *, width: int, colour: bool) -> list[str]:
    """A line per port; an answer that has no room in it stands below."""
    places = max(len(result["local"]) for result in results)
    room = max(width - places - 4, _LEAST["FORWARD"])
    names = cut_apart([clean(shown(result)) for result in results], room)
    longest = max(map(len, names))
    lines = []
    for result, name in zip(results, names, strict=True):
        mark = paint("✓", "32", colour) if result["ok"] else paint("✗", "31", colour)
        said = f"{result['protocol']} {clean(result['answer'])}".strip()
        head = f" {name:{longest}}  {result['local']:{places}}  "
        if 1 + len(head) + len(said) <= width:
            lines.append(f"{mark}{head}{said}".rstrip())
        else:
            lines += [f"{mark}{head}".rstrip(), *wrapped(said, width, indent=4)]
    return lines


def top_lines(connections: Sequence[Row], *, ended: int, width: int, colour: bool) -> list[str]:
    """Open ones, those that wait first and then by bytes; below them the last `ended` ones that are over."""
    live = [one for one in connections if one["state"] in ("open", "waiting")]
    over = [one for one in connections if one["state"] in ("closed", "lost")]
    live.sort(key=lambda one: (one["state"] != "waiting", -one["bytesIn"] - one["bytesOut"]))
    lines = _table(live, width, colour) if live else ["nobody is connected"]
    if shown := over[:ended]:
        lines += ["", "ended:", *_table(shown, width, colour)]
    lost = sum(one["state"] == "lost" for one in over)
    if lost and not shown:
        lines += ["", f"{lost} of the last {len(over)} that ended were lost, `kfw top --ended 20` shows them"]
    return lines


def _table(rows: Sequence[Row], width: int, colour: bool) -> list[str]:
    cells = [_cells(row) for row in rows]
    widths = _fit([max(map(len, column)) for column in zip(_HEADER, *cells, strict=True)], width)
    lines = [paint(_line(_HEADER, widths), DIM, colour)]
    for row, texts in zip(rows, cells, strict=True):
        lines.append(
            paint(_line(texts, widths), _COLOUR.get(row["state"], ""), colour and row["state"] in _COLOUR)
        )
        if why := clean(row["why"]):
            lines += wrapped(f"{row['state']}: {why}", width, indent=widths[0] + len(_GAP))
    return lines


def _cells(row: Row) -> tuple[str, ...]:
    first = row["firstByteSeconds"]
    return (
        clean(row.get("displayName") or row["forward"]),
        clean(row["process"] or row["client"] or "-"),
        clean(row["endpoint"] or "-"),
        uptime(row["seconds"]),
        "-" if first is None else _short(first),
        size(row["bytesIn"]),
        size(row["bytesOut"]),
    )


def _short(seconds: float) -> str:
    """0.7 ms, 12 ms, 3.4 s"""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def _fit(widths: list[int], width: int) -> list[int]:
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - max(width, MIN_WIDTH)
    for name, least in _LEAST.items():
        column = _HEADER.index(name)
        less = min(max(excess, 0), max(widths[column] - least, 0))
        widths[column] -= less
        excess -= less
    return widths


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cut(text, width).rjust(width) if column >= _NUMBERS else cut(text, width).ljust(width)
        for column, (text, width) in enumerate(zip(texts, widths, strict=True))
    ]
    return _GAP.join(cells).rstrip()
