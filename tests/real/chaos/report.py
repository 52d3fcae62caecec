"""The tables of docs/reliability.md, from the cells of a whole run. Pure but for writing the page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.report import put
from tests.real.chaos.cell import BARE, METHODS, PLAIN_KUBECTL, RIVALS, Cell
from tests.real.chaos.judge import judge
from tests.real.rig import ROOT

PAGE = ROOT / "docs" / "reliability.md"
MARKERS = ("<!-- make chaos: begin -->", "<!-- make chaos: end -->")
NAMES = {PLAIN_KUBECTL: "kubectl port-forward", BARE: "bare node port"}

#: The fault's name -> what people read; in the order of the table.
Titles = Mapping[str, str]


def write_page(cells: Sequence[Cell], run: Mapping[str, Any], titles: Titles, page: Path = PAGE) -> None:
    put(page, text(cells, run, titles), MARKERS)


def text(cells: Sequence[Cell], run: Mapping[str, Any], titles: Titles) -> str:
    singles = {name: title for name, title in titles.items() if "+" not in name}
    pairs = {name: title for name, title in titles.items() if "+" in name}
    parts = [
        where(run) + run_again(run, titles),
        "",
        verdict(cells),
        "",
        "### One fault",
        "",
        clients_table(cells, singles),
        "",
        "### Pods go while",
        "",
        clients_table(cells, {name: title.removeprefix("pods go while ") for name, title in pairs.items()}),
        "",
        "### What kfw said of it",
        "",
        told_table(cells, titles),
        "",
        "### What does not hold",
        "",
        missed(cells, titles),
    ]
    return "\n".join(parts)


def where(run: Mapping[str, Any]) -> str:
    return (
        f"Measured on {run['day']} in {run['seconds'] / 60:.0f} minutes, commit {run['commit']}, seed {run['seed']}: "
        f"{run['processor']}, {run['cores']} cores, {run['memory_gb']} GB, {run['system']}, Python {run['python']}, "
        f"Kubernetes {run['kubernetes']}, kubectl {run['kubectl']}; load of the last 15 minutes before it {run['load']}."
    )


def run_again(run: Mapping[str, Any], titles: Titles) -> str:
    names = dict.fromkeys(run.get("again", []))
    said = "; ".join(titles[name] for name in names)
    return (
        f" Run a second time, as something did not hold, and shown as it was then: {said}." if names else ""
    )


def verdict(cells: Sequence[Cell]) -> str:
    """In one sentence each: how many cells hold, and who needed a hand how often."""
    ours = [cell for cell in cells if cell.ours]
    kubectl = [cell for cell in cells if cell.method == PLAIN_KUBECTL]
    return (
        f"{sum(not judge(cell) for cell in ours)} of {len(ours)} cells of kfw hold. kfw needed a hand in "
        f"{sum(bool(cell.hand) for cell in ours)} of {len(ours)}, `kubectl port-forward` in "
        f"{sum(bool(cell.hand) for cell in kubectl)} of {len(kubectl)}."
    )


def clients_table(cells: Sequence[Cell], titles: Titles) -> str:
    return _table("", (*METHODS, *RIVALS), cells, titles, seen)


def told_table(cells: Sequence[Cell], titles: Titles) -> str:
    return _table("", METHODS, cells, titles, told)


def seen(cell: Cell) -> str:
    """`failed · quiet · live lost`."""
    said = f"{cell.failed} · {cell.quiet:.1f} s · {cell.live_lost}"
    return f"**hand** {said}" if cell.hand else said


def told(cell: Cell) -> str:
    """`in vain · counted of lost`; losses of a daemon that was killed are nobody's."""
    losses = "–" if cell.daemon_ended else f"{cell.counted} of {cell.lost}"
    return f"{cell.active_in_vain:.1f} s · {losses}"


def missed(cells: Sequence[Cell], titles: Titles) -> str:
    lines = [f"- {titles[cell.fault]}, {cell.method}: {said}" for cell in cells for said in judge(cell)]
    return "\n".join(lines) or "All of it holds."


def _table(
    head: str, methods: Sequence[str], cells: Iterable[Cell], titles: Titles, show: Callable[[Cell], str]
) -> str:
    found = {(cell.fault, cell.method): cell for cell in cells}
    lines = [[head, *(NAMES.get(method, method) for method in methods)], ["---"] * (len(methods) + 1)]
    for fault, title in titles.items():
        row = [found.get((fault, method)) for method in methods]
        if any(row):
            lines.append([title, *("" if cell is None else show(cell) for cell in row)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
