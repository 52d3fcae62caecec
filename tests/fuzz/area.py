"""What a fuzzed area is, what a case gets to work with, and what counts as found."""

import base64
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import ClassVar
from urllib.parse import unquote

from tests.fuzz import memory


class Finding(AssertionError):
    """Something that must not happen. Its first line tells it from others."""


class Mark:
    """A secret of one case, to be looked for wherever something is shown. Letters and digits only, so that no quoting
    changes it."""

    def __init__(self, seed: int) -> None:
        self.text = f"Qz{seed:x}MarkOfThisCase"
        most = self.text[:-4]  # also where it was cut
        self._spelled = (most, *_in_base64(most))

    def __str__(self) -> str:
        return self.text

    def shown(self, text: str) -> str:
        """The part of `text` around the mark, in whatever spelling; "" if it is not there."""
        for seen in (text, unquote(text)):
            for spelling in self._spelled:
                if (at := seen.find(spelling)) >= 0:
                    return seen[max(at - 160, 0) : at + len(spelling) + 40]
        return ""


def _in_base64(text: str) -> list[str]:
    """What each base64 of something with `text` in it contains, wherever in there it begins."""
    spelled = []
    for before in range(3):
        encoded = base64.b64encode(b"-" * before + text.encode()).decode()
        spelled.append(encoded[-(-before * 4 // 3) : len(encoded) - 4])
    return spelled


@dataclass
class Case:
    """`folder` is empty at its begin and gone after it. `random` and `seed` are all that decides what happens."""

    seed: int
    folder: Path
    logged: list[str] = field(default_factory=list)
    random: Random = field(init=False)
    mark: Mark = field(init=False)

    def __post_init__(self) -> None:
        self.random, self.mark = Random(self.seed), Mark(self.seed)

    def must_not_show(self, where: str, text: str) -> None:
        if shown := self.mark.shown(text):
            raise Finding(f"a secret is in {where}\n{shown.replace(self.mark.text, '<MARK>')}")


class Area(AbstractAsyncContextManager["Area"]):
    """One per run; `case` is called again and again, and raises Finding, or whatever came out that must not."""

    name: ClassVar[str]
    limit: ClassVar[float] = 20.0  # seconds: a case that takes longer hangs
    slice: ClassVar[float] = 3.0  # seconds until it is the next area's turn
    growth: ClassVar[int] = 32 << 20  # bytes that may stay after all cases but the first ones

    async def case(self, case: Case) -> None:
        raise NotImplementedError

    def rss(self) -> int:
        """Bytes of the process under test."""
        return memory.rss()

    async def __aenter__(self) -> "Area":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


MakeArea = Callable[[], Area]


def kind_of(text: str) -> str:
    """A finding's first line without what differs from case to case: numbers, seeds, paths, quoted names."""
    first = text.partition("\n")[0]
    first = re.sub(r"Qz[0-9a-f]+Mark\w+", "MARK", first)
    first = re.sub(r"/[^\s:,'\"]+", "PATH", first)
    return re.sub(r"0x[0-9a-f]+|\d+(?:\.\d+)?", "N", first)[:200]
