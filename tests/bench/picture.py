"""usage: python -m tests.bench.picture [daemon]

Makes docs/performance.svg of build/bench.json, and writes its tables into README.md and docs/performance.md. `daemon`: of a
run of `make bench ARGS='startup daemon extras relay'`, or of some of them, the table of docs/performance.md that is for it.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from tests.bench import report
from tests.bench.row import Row
from tests.bench.tunnel_rivals import ALL, FAST, SOCAT
from tests.real.rig import ROOT

#: Around the table of the daemon alone.
DAEMON = "<!-- make bench daemon: begin -->", "<!-- make bench daemon: end -->"

#: Areas that may be in it.
OF_THE_DAEMON = ("startup", "daemon", "extras", "relay")

#: What is shown: the row's name without who, its title, whether more is better.
PANELS = (
    ("open + first byte, p50, than kubectl", "Open a connection, first byte back", False),
    ("50 ms away, open + first byte, p50, than kubectl", "The same, cluster 50 ms away", False),
    ("one stream down, than kubectl", "One stream down", True),
    ("one stream up, than kubectl", "One stream up", True),
    ("16 at once, than kubectl", "New connections, 16 at once", True),
    ("memory per forward, than kubectl", "Memory per forward", False),
    ("rolling restart of 3", "Rolling restart, failed connections", False),
    ("API silent for 20 s, from its end", "API silent for 20 s: back after", False),
)
COLUMNS, WIDTH, LINE, TOP, GAP = 2, 380, 22, 34, 18
NAME, BAR = 74, 200  # where a bar begins, and how long the longest is

Bar = tuple[str, float, str]

#: Both schemes bring their own background, so it is legible wherever it is shown.
STYLE = """
 .paper{fill:#ffffff} .title{fill:#1f2328;font-weight:600} .hint,.name,.value{fill:#59636e}
 .ours{fill:#1a7f37} .other{fill:#afb8c1} .us{fill:#1f2328;font-weight:600}
 @media (prefers-color-scheme: dark){
 .paper{fill:#0d1117} .title,.us{fill:#f0f6fc} .hint,.name,.value{fill:#9198a1} .ours{fill:#3fb950} .other{fill:#484f58} }
"""


def bars(rows: Sequence[Row], what: str) -> list[Bar]:
    """(who, value, the value in words) of kfw, kubectl and whoever else was measured; empty if kfw was not."""
    made = list(_bars(rows, what))
    return made if any(who == "kfw" for who, _, _ in made) else []


def _bars(rows: Sequence[Row], what: str) -> Iterator[Bar]:
    for who in ("tunnel", *(name for name in ALL if name != FAST)):  # which is kfw, too
        for row in rows:
            if row["name"].startswith(f"{who}: {what}"):
                words = report.spoken(row)
                yield ("kfw" if who == "tunnel" else who), row["value"], words.ours
                if who == "tunnel" and row["than"] is not None:
                    yield "kubectl", row["than"], words.theirs.removeprefix("kubectl: ")


def picture(rows: Sequence[Row]) -> str:
    """SVG. Panels that nothing was measured for are left out."""
    panels = [(title, more, some) for what, title, more in PANELS if (some := bars(rows, what))]
    parts, y = list[str](), GAP
    for at in range(0, len(panels), COLUMNS):
        line = panels[at : at + COLUMNS]
        for column, (title, more, some) in enumerate(line):
            parts += _panel(GAP + column * (WIDTH + GAP), y, title, some, more=more)
        y += TOP + LINE * max(len(some) for _, _, some in line) + GAP
    width = GAP + COLUMNS * (WIDTH + GAP)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" role="img"'
    font = 'font-family="system-ui, sans-serif" font-size="12"'
    paper = f'<rect class="paper" width="{width}" height="{y}" rx="6"/>'
    label = 'aria-label="kfw beside other ways to a pod; the table below has the figures"'
    return "\n".join([f"{head} {font} {label}>", f"<style>{STYLE}</style>", paper, *parts, "</svg>\n"])


def _panel(x: int, y: int, title: str, some: Sequence[Bar], *, more: bool) -> Iterator[str]:
    most = max(value for _, value, _ in some) or 1
    hint = "more is better" if more else "less is better"
    yield _text(x, y + 14, "title", title)
    yield _text(x + WIDTH, y + 14, "hint", hint, end=True)
    for number, (who, value, words) in enumerate(some):
        top = y + TOP - 8 + number * LINE
        length = max(2.0, BAR * value / most)
        ours = who == "kfw"
        yield _text(x, top + 13, "us" if ours else "name", f"{who}*" if who == SOCAT else who)
        place = f'x="{x + NAME}" y="{top + 2}" width="{length:.1f}" height="14" rx="2"'
        yield f'<rect class="{"ours" if ours else "other"}" {place}/>'
        yield _text(x + NAME + int(length) + 6, top + 13, "us" if ours else "value", words)


def _text(x: int, y: int, kind: str, words: str, *, end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text class="{kind}" x="{x}" y="{y}"{anchor}>{escape(words)}</text>'


def main() -> None:
    """Of a whole run only: what a short one says is for those who can judge it."""
    docs = ROOT / "docs"
    rows, run = _measured()
    readme = [_shown("docs/performance.svg"), report.short_table(rows), f"{report.verdict(rows)}."]
    page = [_shown("performance.svg"), report.where(run), f"{report.verdict(rows)}. {report.missed(rows)}"]
    (docs / "performance.svg").write_text(picture(rows))
    report.put(ROOT / "README.md", "\n\n".join(readme))
    report.put(docs / "performance.md", "\n\n".join([*page, report.long_table(rows)]))


def of_the_daemon() -> None:
    rows, run = _measured()
    others = [area for area in run["seconds"] if area.partition("_")[0] not in OF_THE_DAEMON]
    assert not others, f"build/bench.json is also of {', '.join(others)}: run make bench ARGS='daemon'"
    page = [report.where(run), f"{report.verdict(rows)}. {report.missed(rows)}", report.long_table(rows)]
    report.put(ROOT / "docs" / "performance.md", "\n\n".join(page), DAEMON)


def _measured() -> tuple[list[Row], dict[str, Any]]:
    build = ROOT / "build"
    rows: list[Row] = json.loads((build / "bench.json").read_text())
    run: dict[str, Any] = json.loads((build / "bench-run.json").read_text())
    assert not run["short"], "build/bench.json is of --short: run it whole"
    return rows, run


def _shown(place: str) -> str:
    return f"![kfw beside kubectl port-forward and others]({place})\n\n\\* to a node port, not through the API server"


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main()
        case ["daemon"]:
            of_the_daemon()
        case _:
            sys.exit(__doc__)
