"""The command lines of README.md and docs/*.md, and what stands below them as their output.

A command line is a line of a code block that begins with `kfw` (or `$ kfw`; with one of these, only such), or runs it
in `$(...)`, `<(...)` or as kubectl's plugin. Two spaces or more end it: what follows is a comment. Below a line with `$`
stands its output, up to the next command or the end of the block.

The output is compared line by line, and these are placeholders: a number (with its unit) stands for any number, spaces for
any spaces, the name of a pod of a deployment for any, `/home/ada` for the folder of the test, and `curl (pid 4711)` for any
process. A line `...` stands for any lines, and ` ...` at the end of one for its rest. The line of the daemon, and the empty
one before it, may be left out at the end.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_COMMAND = re.compile(r"(\$ )?((export \w+=\$\(|source <\()?(\.venv/bin/)?kfw |kubectl kfw )")
_FENCE = "```"


class Documented(NamedTuple):
    """`output`: None where none is shown."""

    page: str
    number: int
    line: str
    output: tuple[str, ...] | None

    def __str__(self) -> str:
        return f"{self.page}:{self.number}: {self.line}"


def documented() -> list[Documented]:
    return [one for page in PAGES for block in _blocks(page) for one in _commands(page.name, block)]


#: Line numbers and lines, without what indents all of them.
Block = list[tuple[int, str]]


def _blocks(page: Path) -> Iterator[Block]:
    """Fenced and indented code."""
    block: Block = []
    fenced = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        is_fence = line.startswith(_FENCE)
        if is_fence:
            fenced = not fenced
        if not is_fence and (fenced or line.startswith("    ")):
            block.append((number, line if fenced else line[4:]))
        elif is_fence or line:
            yield block
            block = []
        elif block:
            block.append((number, ""))
    yield block


def _commands(page: str, block: Block) -> Iterator[Documented]:
    starts = [at for at, (_, line) in enumerate(block) if _COMMAND.match(line)]
    if prompted := [at for at in starts if block[at][1].startswith("$ ")]:
        starts = prompted
    for at, following in zip(starts, [*starts[1:], len(block)], strict=False):
        number, line = block[at]
        output = [text for _, text in block[at + 1 : following]]
        while output and not output[-1]:
            output.pop()
        shown = tuple(output) if line.startswith("$ ") and output else None
        yield Documented(page, number, re.split(r"\s{2,}", line.removeprefix("$ "))[0], shown)


def differences(shown: Sequence[str], real: Sequence[str], home: Path) -> str:
    """What keeps the output from being as shown; "" where nothing does."""
    wanted = [_plain(line) for line in shown]
    got = [_plain(line.replace(str(home), "/home/ada")) for line in real]
    rest = _after(wanted, got)
    if rest is None:
        return "documented:\n  {}\nreal:\n  {}".format("\n  ".join(wanted), "\n  ".join(got))
    more = [line for line in rest if line and not line.startswith("daemon: ")]
    return "\n  ".join(["not documented:", *more]) if more else ""


def _after(wanted: list[str], got: list[str]) -> list[str] | None:
    """The lines behind those that are wanted; None: these are not there."""
    for at, line in enumerate(wanted):
        if line == "..." and at + 1 == len(wanted):
            return []
        if line == "...":
            ends = (_after(wanted[at + 1 :], got[start:]) for start in range(at, len(got) + 1))
            return next((end for end in ends if end is not None), None)
        if at >= len(got) or not _is_as(line, got[at]):
            return None
    return got[len(wanted) :]


def _is_as(wanted: str, got: str) -> bool:
    return got.startswith(wanted[:-3]) if wanted.endswith(" ...") else got == wanted


def _plain(line: str) -> str:
    line = re.sub(r"-[a-z0-9]{8,10}-[a-z0-9]{5}\b", "-POD", line)
    line = re.sub(r"\S+ \(pid \d+\)|127\.0\.0\.1:\d+", "CLIENT", line)
    line = re.sub(r"\d+(\.\d+)*( ?(ms|[kM]?B|[smhd])\b(\d+[smh])?)?", "N", line)
    return " ".join(line.split())
