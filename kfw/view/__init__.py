"""Statuses -> lines of text: the same words and colours in every front end.

Everything here takes the dicts that the control API sends (kfw/protocol.py, camelCase) and returns lines.
It is on the fast path of `kfw status`: no import that costs anything.
"""

from __future__ import annotations

from kfw.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    Row = Mapping[str, Any]

#: Narrower terminals get lines that wrap.
MIN_WIDTH = 60
_GAP = "  "
#: Columns that may be cut, and to how much at most before one is left out for the names, which are typed.
_LEAST = {"CONTEXT": 10, "TARGET": 12, "NAME": 24}
_LEAST_NAME = 8

#: status -> (symbol, SGR code): the 16 colours, so that the user's theme decides how they look.
_LOOK = {
    "starting": ("○", "33"),
    "active": ("●", "32"),
    "degraded": ("▲", "93"),
    "reconnecting": ("◐", "36"),
    "suspended": ("‖", "33"),
    "error": ("✗", "31"),
    "stopped": ("·", "90"),
    "disabled": ("·", "90"),
}
DIM = "2"


def status_lines(reply: Row, *, width: int, colour: bool, now: float, wide: bool = False) -> list[str]:
    """`kfw status`: a line per outage, a table, below each row what keeps it from being active, and a line for the daemon.

    `width` in columns; `wide` has more of them, uncut; `now` in seconds since 1970, for "next attempt in 4s".
    """
    rows: Sequence[Row] = reply["forwards"]
    outages = outages_of(rows)
    lines = forward_lines(rows, width=width, colour=colour, now=now, told=told_of(outages), wide=wide)
    for outage in outages:
        lines = [
            paint(line, "33", colour) for line in wrapped(outage_line(outage, now), width, indent=0)
        ] + lines
    if not rows:
        lines = ["nothing is forwarded, `kfw up` starts the configured forwards"]
    return [
        *lines,
        "",
        *_warnings(reply["daemon"], width, colour),
        *_remote_defaults(reply, width, colour, now),
        paint(daemon_line(reply["daemon"]), DIM, colour),
    ]


def _warnings(daemon: Row, width: int, colour: bool) -> list[str]:
    said = [line for text in daemon.get("warnings", ()) for line in wrapped(clean(text), width, indent=0)]
    return [paint(line, "33", colour) for line in said]


def _remote_defaults(reply: Row, width: int, colour: bool, now: float) -> list[str]:
    """Where defaults at a URL are in use, and whether they are old."""
    lines = []
    for one in reply.get("remoteDefaults", ()):
        said, why = (
            f"defaults at {clean(one['url'])}",
            f": {clean(one['message'])}" if one.get("message") else "",
        )
        if one["state"] == "old":
            age = f" from {_ago(one['newestAt'], now)} ago" if one.get("newestAt") else ""
            said += f" could not be read, a copy{age} is used{why}"
        elif one["state"] == "missing":
            said += f" are not in use{why or ', there is no copy'}"
        code = DIM if one["state"] == "current" else "33"
        lines += [paint(line, code, colour) for line in wrapped(said, width, indent=0)]
    return lines


def outages_of(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """Forwards that wait for one thing together: two or more of one cluster, suspended for one reason."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["status"] == "suspended" and row.get("reason"):
            groups.setdefault((row["context"], row["reason"]), []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def told_of(outages: Sequence[Sequence[Row]]) -> frozenset[str]:
    """The forwards of which an outage says all that there is to say."""
    return frozenset(shown(row) for outage in outages for row in outage)


def outage_line(outage: Sequence[Row], now: float) -> str:
    """`dev: cannot be reached for 2m, 9 forwards wait: connection refused; next attempt in 4s`"""
    first = min(outage, key=lambda row: str(row["since"]))
    reason: str = first["reason"]
    what = "cannot be reached" if reason == "cluster-unreachable" else reason.replace("-", " ")
    said = f"{clean(first['context'])}: {what} for {_ago(first['since'], now)}, {len(outage)} forwards wait"
    if message := clean(first.get("message") or ""):
        said += f": {message}"
    attempts = sorted(row["nextAttemptAt"] for row in outage if row.get("nextAttemptAt"))
    return f"{said}; next attempt {_in(attempts[0], now)}" if attempts else said


def forward_lines(
    rows: Sequence[Row],
    *,
    width: int,
    colour: bool,
    now: float,
    told: frozenset[str] = frozenset(),
    wide: bool = False,
) -> list[str]:
    """A table. `told`: whose remark stands elsewhere."""
    if not rows:
        return []
    header, cells = _columns(rows, wide=wide)
    room = {title: max(map(len, column)) for title, *column in zip(header, header, *cells, strict=True)}
    if not wide:
        room = _fit(room, max(width, MIN_WIDTH))
        cells = _cut_cells(cells, header, room)
    widths = list(room.values())
    lines = [paint(_line(room, widths), DIM, colour)]
    for row, texts in zip(rows, cells, strict=True):
        lines.append(_line(texts, widths, _LOOK[row["status"]][1] if colour else ""))
        if shown(row) not in told and (note := remark(row, now)):
            lines += wrapped(note, width, indent=widths[0] + len(_GAP))
        if page := page_note(row):
            lines += wrapped(page, width, indent=widths[0] + len(_GAP))
    return lines


def symbol(status: str) -> str:
    return _LOOK[status][0]


def painted_status(status: str, *, colour: bool) -> str:
    look, code = _LOOK[status]
    return paint(f"{look} {status}", code, colour)


def paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text


def shown(row: Row) -> str:
    """What it is called: `api`, or `shop/api` where another project has an `api`, too."""
    return str(row.get("displayName") or row["name"])


def remark(row: Row, now: float) -> str:
    """Why a forward is not simply active, and when kfw tries again; "" if there is nothing to say."""
    reason = row.get("reason") or ""
    message = clean(row.get("message") or "")
    parts = [f"{reason}: {message}" if reason and message else reason or message]
    if (wanted := row.get("configuredPort")) and wanted != row["localPort"]:
        parts.append(f"not on {wanted}, which was taken")
    if at := row.get("nextAttemptAt"):
        parts.append(f"next attempt {_in(at, now)}")
    return "; ".join(part for part in parts if part)


#: What the pages of forwards are called, by `kind`.
_PAGES = {"swagger": "Swagger UI", "grpc": "gRPC UI"}


def page_note(row: Row) -> str:
    """`Swagger UI: http://127.0.0.1:9100/`, or why its page is not there; "" where it has none."""
    if not (ui := row.get("ui")):
        return ""
    return (
        f"{_PAGES.get(ui['kind'], ui['kind'])}: {clean(ui.get('url') or ui.get('message') or ui['status'])}"
    )


def page_url(row: Row) -> str:
    """Of its page, "" while it has none."""
    return str((row.get("ui") or {}).get("url") or "")


def local(row: Row) -> str:
    """Where to reach it on this machine: a URL if it speaks HTTP, else host:port."""
    if row.get("url"):
        return str(row["url"])
    if not row["localPort"]:
        return "-"  # kubefwd has not said yet
    host, port = address(row)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def own_host(row: Row) -> str | None:
    """`http://web.shop.localhost:8080`: in a browser each such host has cookies of its own, which all ports of localhost
    share. Browsers and curl know these names without any DNS (RFC 6761, 6.3); other programs may not.

    None: it does not speak HTTP, or is not on loopback."""
    scheme, _, place = str(row.get("url") or "").partition("://localhost:")
    on_loopback = {"127.0.0.1", "::1", "0.0.0.0", "::"} & set(row.get("localAddresses", ()))
    if not (place and on_loopback):
        return None
    return f"{scheme}://{row['target'].partition('/')[2]}.{row['namespace']}.localhost:{place}"


def address(row: Row) -> tuple[str, int]:
    """Host and port to connect to."""
    if names := row.get("localNames"):
        return str(names[0]), int(row["localPort"])
    others = [each for each in row.get("localAddresses", ()) if each not in ("127.0.0.1", "::1")]
    return (str(others[0]) if others else "localhost"), int(row["localPort"])


def target(row: Row) -> str:
    """shop/service/api:http"""
    port = row.get("targetPort")
    return f"{row['namespace']}/{row['target']}" + (f":{port}" if port is not None else "")


def uptime(seconds: float) -> str:
    """42s, 5m, 2h3m, 1d4h"""
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours}h" if days else f"{hours}h{minutes}m"


def size(count: int) -> str:
    """Bytes in powers of 1000: 950 B, 38.2 MB"""
    if count < 1000:
        return f"{count} B"
    power = min((len(str(count)) - 1) // 3, 4)
    return f"{count / 1000**power:.1f} {' kMGT'[power]}B"


def daemon_line(daemon: Row) -> str:
    facts = [f"pid {daemon['pid']}"]
    if daemon.get("uptimeSeconds") is not None:
        facts.append(f"up {uptime(daemon['uptimeSeconds'])}")
    if daemon.get("rssBytes") is not None:
        facts.append(size(daemon["rssBytes"]))
    if daemon.get("version"):
        facts.append(f"version {daemon['version']}")
    return "daemon: " + ", ".join(facts)


def change_line(row: Row, now: float) -> str:
    """One change as a line of its own: `api: active on http://localhost:9080`."""
    said = row["status"]
    if row["status"] in ("active", "degraded"):
        said += f" on {clean(local(row))}"
    note = "; ".join(filter(None, (remark(row, now), page_note(row))))
    return f"{clean(shown(row))}: {said}" + (f": {note}" if note else "")


def live_lines(rows: Sequence[Row], *, names: int, width: int, colour: bool, now: float) -> list[str]:
    """A line per forward and outage that never wraps, for progress drawn in place; `names`: columns for the name."""
    statuses = max(map(len, _LOOK))
    outages = outages_of(rows)
    told = told_of(outages)
    lines = [paint(cut(outage_line(outage, now), width), "33", colour) for outage in outages]
    for row in rows:
        where = clean(local(row)) if row["status"] == "active" else ""
        note = f"waits for {clean(row['context'])}" if shown(row) in told else remark(row, now)
        detail = ": ".join(filter(None, (where, note)))
        text = f" {clean(shown(row)):{names}}  {row['status']:{statuses}}  {detail}".rstrip()
        lines.append(paint(symbol(row["status"]), _LOOK[row["status"]][1], colour) + cut(text, width - 2))
    return lines


def clean(text: str) -> str:
    """A tool's words on one line, with control characters escaped, which could paint the user's terminal."""
    if text.isascii() and text.isprintable() and "  " not in text:  # as nearly all are, and a table has many
        return text.strip()
    return " ".join(printable(text.replace("\r\n", "\n")).split())


def wrapped(text: str, width: int, indent: int) -> list[str]:
    import textwrap  # only when there is something to wrap

    room = max(width - indent, 30)
    return [
        " " * indent + line
        for line in textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    ]


def hanging(text: str, width: int, indent: int) -> list[str]:
    """As `wrapped`, but the first line stands out by two columns."""
    lines = wrapped(text, width, indent)
    return [lines[0][2:], *lines[1:]] if lines else []


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def cut_apart(texts: Sequence[str], width: int) -> list[str]:
    """Each cut in the middle to `width`, so that as many as possible still differ: what tells contexts and targets apart
    is mostly at their end, so that gets most of what is kept."""
    if width < 3 or all(len(text) <= width for text in texts):
        return [cut(text, width) for text in texts]
    ways = [
        [_cut_middle(text, width, head) for text in texts] for head in (width // 5, width // 2, width - 2)
    ]
    return max(ways, key=lambda way: len(set(way)))


def _cut_middle(text: str, width: int, head: int) -> str:
    tail = width - head - 1
    return text if len(text) <= width else f"{text[:head]}…{text[len(text) - tail :]}"


def _cut_cells(cells: list[list[str]], header: Sequence[str], room: Mapping[str, int]) -> list[list[str]]:
    """Of the columns that have room; names, targets and contexts are cut, the status and the address are whole."""
    columns = []
    for title, *column in zip(header, *cells, strict=True):
        if title in room:
            texts = _short_targets(column, room[title]) if title == "TARGET" else column
            columns.append(cut_apart(texts, room[title]) if title in _LEAST else texts)
    return [list(row) for row in zip(*columns, strict=True)]


def _short_targets(texts: Sequence[str], width: int) -> Sequence[str]:
    """Without their namespaces, and then without their kinds, where these have no room and tell nothing apart."""
    forms = (texts, [text.partition("/")[2] for text in texts], [text.rpartition("/")[2] for text in texts])
    apart = [form for form in forms if len(set(form)) == len(set(texts))]
    return next((form for form in apart if max(map(len, form)) <= width), apart[-1])


def _columns(rows: Sequence[Row], *, wide: bool) -> tuple[list[str], list[list[str]]]:
    """The context has a column of its own only where there are several."""
    header = ["NAME", "STATUS", "LOCAL", "TARGET"]
    cells = [[clean(shown(row)), _status_cell(row), clean(local(row)), clean(target(row))] for row in rows]
    if wide:
        header += ["METHOD", "ENDPOINT"]
        for texts, row in zip(cells, rows, strict=True):
            texts += [clean(row["method"]), clean((row.get("endpoint") or {}).get("name") or "-")]
    if wide or len({row["context"] for row in rows}) > 1:
        header.append("CONTEXT")
        for texts, row in zip(cells, rows, strict=True):
            texts.append(clean(row["context"]))
    if wide and any(map(own_host, rows)):
        header.append("BROWSER")
        for texts, row in zip(cells, rows, strict=True):
            texts.append(clean(own_host(row) or "-"))
    return header, cells


def _status_cell(row: Row) -> str:
    up = f" {uptime(row['uptimeSeconds'])}" if row["status"] in ("active", "degraded") else ""
    return f"{symbol(row['status'])} {row['status']}{up}"


def _fit(room: Mapping[str, int], width: int) -> dict[str, int]:
    """Give up columns' width from the right, the status and the local address never, the name last. Where that does not do
    the target is left out, and then the context, which says whether it is dev or prod."""
    fitted = dict(room)
    excess = sum(room.values()) + len(_GAP) * (len(room) - 1) - width
    for title, least in _LEAST.items():
        less = min(max(excess, 0), max(fitted.get(title, 0) - least, 0))
        if less:
            fitted[title] -= less
            excess -= less
    last = next((title for title in ("TARGET", "CONTEXT") if title in room), None)
    if excess > 0 and last:
        return _fit({title: columns for title, columns in room.items() if title != last}, width)
    fitted["NAME"] -= min(max(excess, 0), max(fitted["NAME"] - _LEAST_NAME, 0))
    return fitted


def _line(texts: Iterable[str], widths: Sequence[int], status_colour: str = "") -> str:
    cells = [cut(text, width).ljust(width) for text, width in zip(texts, widths, strict=True)]
    cells[1] = paint(cells[1], status_colour, bool(status_colour))
    return _GAP.join(cells).rstrip()


def _ago(since: str, now: float) -> str:
    from datetime import datetime

    return uptime(max(now - datetime.fromisoformat(since).timestamp(), 0))


def _in(at: str, now: float) -> str:
    """RFC 3339 -> "in 4s", or "now"."""
    from datetime import datetime

    seconds = datetime.fromisoformat(at).timestamp() - now
    return f"in {uptime(seconds)}" if seconds >= 1 else "now"
