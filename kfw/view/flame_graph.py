"""Samples of a program's stacks as files that people and tools read: pstats, and a flame graph. Pure."""

import marshal
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from kfw.perf_protocol import CpuSamples

Function = tuple[str, int, str]

_WIDTH, _ROW, _TOP = 1200.0, 17, 30
#: Narrower boxes are left out, and have no room for words. Pixels.
_NARROWEST, _LETTER = 0.3, 6.2


def as_pstats(cpu: CpuSamples) -> bytes:
    """What pstats.Stats reads: function -> calls, calls, own time, time with what it called, callers. Calls are samples.

    https://github.com/python/cpython/blob/main/Lib/cProfile.py, snapshot_stats
    """
    own: dict[Function, int] = {}
    total: dict[Function, int] = {}
    callers: dict[Function, dict[Function, int]] = {}
    for stack in cpu.stacks:
        names = [cpu.frames[index] for index in stack.frames]
        for function in set(names):
            total[function] = total.get(function, 0) + stack.samples
        if names:
            own[names[-1]] = own.get(names[-1], 0) + stack.samples
        for caller, called in set(pairwise(names)):
            by = callers.setdefault(called, {})
            by[caller] = by.get(caller, 0) + stack.samples
    each = cpu.interval

    def row(count: int, inner: int) -> tuple[int, int, float, float]:
        return count, count, inner * each, count * each

    stats = {
        function: (
            *row(count, own.get(function, 0)),
            {caller: row(times, 0) for caller, times in callers.get(function, {}).items()},
        )
        for function, count in total.items()
    }
    return marshal.dumps(stats)


@dataclass
class _Box:
    samples: int = 0
    inner: dict[int, "_Box"] = field(default_factory=dict)


def as_svg(cpu: CpuSamples) -> str:
    """Boxes as wide as their share of the samples in which the loop did something; what a box stands on has called it."""
    root = _Box()
    for stack in cpu.stacks:
        box = root
        box.samples += stack.samples
        for index in stack.frames:
            box = box.inner.setdefault(index, _Box())
            box.samples += stack.samples
    rects = list(_rects(cpu, root))
    height = _TOP + (max((row for row, _ in rects), default=0) + 1) * _ROW
    busy = f"{cpu.samples - cpu.idle} of {cpu.samples} samples, one each {cpu.interval * 1000:g} ms; in the others it waited"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height}" '
            'font-family="monospace" font-size="11">',
            f'<text x="4" y="18">kfw daemon: {busy}</text>',
            *(text for _, text in rects),
            "</svg>\n",
        ]
    )


def _rects(cpu: CpuSamples, root: _Box) -> Iterator[tuple[int, str]]:
    """With their rows, from the top."""
    waiting = [(root, -1, 0.0)]
    while waiting:
        box, row, left = waiting.pop()
        for index, inner in sorted(box.inner.items(), key=lambda pair: cpu.frames[pair[0]]):
            width = _WIDTH * inner.samples / root.samples
            if width >= _NARROWEST:
                yield row + 1, _rect(cpu.frames[index], inner.samples / root.samples, row + 1, left, width)
                waiting.append((inner, row + 1, left))
            left += width


def _rect(function: Function, share: float, row: int, left: float, width: float) -> str:
    file, line, name = function
    where = "/".join(file.split("/")[-2:])
    y, room = _TOP + row * _ROW, int(width / _LETTER)
    colour = f"hsl({20 + hash_of(where) % 40}, 80%, {62 + hash_of(name) % 14}%)"
    label = escape(name[:room]) if room > 2 else ""
    return (
        f"<g><title>{escape(name)} ({escape(where)}:{line}) {share:.1%}</title>"
        f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 1}" fill="{colour}"/>'
        f'<text x="{left + 2:.1f}" y="{y + 12}">{label}</text></g>'
    )


def hash_of(text: str) -> int:
    """The same in each run, so that a function keeps its colour."""
    return sum(map(ord, text))
