"""What the methods that are processes share: their lines go to the forward's log, their end becomes a Problem."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kfw.model import Problem, Reason
from kfw.system.process import Child, OnLine

log = logging.getLogger("kfw.forward")

#: Seconds that a tool gets to say why, after a probe has failed.
TO_SAY_WHY = 0.3


def logged(forward: str, tool: str, level_of: Callable[[str, str], int]) -> OnLine:
    """`api: socat: 2026/11/21 08:23:47 ... Connection refused`, with the level that (stream, line) deserves."""

    def on_line(stream: str, line: str) -> None:
        log.log(level_of(stream, line), "%s: %s: %s", forward, tool, line)

    return on_line


def ended(child: Child, words: str) -> Problem:
    """`words` are the child's own, cut down to what matters."""
    return Problem(Reason.CHILD_EXITED, f"{child.how_it_ended()}: {words}" if words else child.how_it_ended())


async def first(*futures: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait until one is done, at most so long; none is cancelled, whatever happens to us."""
    await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
