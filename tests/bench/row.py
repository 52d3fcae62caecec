"""A row of build/bench.json: {name, value, unit, than, ratio, bound, holds}.

`bound` is what must hold: `< 2` and `== 0` speak of the value, `>= 1.5x` and `<= 3x` of the ratio. `than` is what the value
is compared with, measured in the same run; None where there is nothing to compare with. `ratio` is value / than, or of
paired rounds the median of their ratios: both sides of a round saw the same noise.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.real.rig import Rig

Row = dict[str, Any]

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_BOUND = re.compile(r"(<=?|>=?|==) *([0-9.]+)(x?)")


@dataclass(frozen=True)
class Config:
    """`short`: seconds in place of minutes, for CI. `rig`: the real cluster, which is shared: no faults on it. `minutes`:
    for so long memory is watched; 0: as usual. `beside`: another kfw, to be measured in the same rounds."""

    short: bool
    rig: Rig
    minutes: float = 0.0
    beside: Path | None = None


def row(
    name: str,
    value: float,
    unit: str,
    bound: str = "",
    *,
    than: float | None = None,
    ratio: float | None = None,
) -> Row:
    """Without a bound it always holds: a figure that is only worth knowing."""
    if ratio is None and than:  # of nothing there is no ratio
        ratio = value / than
    return {
        "name": name,
        "value": _digits(value),
        "unit": unit,
        "than": None if than is None else _digits(than),
        "ratio": None if ratio is None else _digits(ratio),
        "bound": bound,
        "holds": not bound or _holds(value, ratio, bound),
    }


def paired(name: str, unit: str, bound: str, rounds: Sequence[tuple[float, float]]) -> Row:
    """`rounds`: what was measured, and what was measured beside it."""
    assert rounds, f"never measured: {name}"
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    return row(name, ours, unit, bound, than=theirs, ratio=median(one / other for one, other in rounds))


def clearly_broken(one: Row) -> bool:
    """Missed by more than twice: no noise of a busy machine. A bound of 0 is missed by anything."""
    found = _BOUND.fullmatch(one["bound"])
    if one["holds"] or not found:
        return not one["holds"]
    sign, number, times = found.groups()
    slack = float(number) * (2 if sign in {"<", "<="} else 0.5)
    return not _holds(one["value"], one["ratio"], f"{sign} {slack}{times}")


def table(rows: Sequence[Row]) -> str:
    head = ("what", "value", "compared with", "ratio", "bound", "holds")
    cells = [head, *(_cells(one) for one in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)
    return "\n".join(lines)


def closing(rows: Sequence[Row], failed: Sequence[str], seconds: float) -> str:
    """How many figures hold, and which do not; `failed`: areas without figures."""
    bound = [one for one in rows if one["bound"]]
    missed = [f"  {one['name']}: {_missed(one)}" for one in bound if not one["holds"]]
    lines = [f"{len(bound) - len(missed)} of {len(bound)} figures hold, measured in {seconds:.0f} s"]
    lines += [f"not measured, see above: {', '.join(failed)}"] if failed else []
    return "\n".join([*lines, *(["these do not:", *missed] if missed else [])])


def _missed(one: Row) -> str:
    value = times(one["ratio"]) if one["bound"].endswith("x") else f"{one['value']:g} {one['unit']}"
    return f"{value}, not {one['bound']}"


def times(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio >= 0.1 or not ratio else f"{ratio:.1g}x"


def _cells(one: Row) -> tuple[str, ...]:
    than = "" if one["than"] is None else f"{one['than']:g} {one['unit']}"
    ratio = "" if one["ratio"] is None else times(one["ratio"])
    return (
        one["name"],
        f"{one['value']:g} {one['unit']}",
        than,
        ratio,
        one["bound"],
        "" if not one["bound"] else "yes" if one["holds"] else "NO",
    )


def _holds(value: float, ratio: float | None, bound: str) -> bool:
    found = _BOUND.fullmatch(bound)
    assert found, f"'{bound}' is not a bound, write for example '< 2' or '>= 1.5x'"
    sign, number, times = found.groups()
    assert not times or ratio is not None, f"'{bound}' needs something to compare with"
    return _COMPARE[sign](ratio if times and ratio is not None else value, float(number))


def _digits(value: float) -> float:
    """Four digits that count."""
    return float(f"{value:.4g}")
