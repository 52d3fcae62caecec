"""What the methods that are processes share: their lines go to the forward's log, their end becomes a Problem."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfw.errors import KfwError
from kfw.model import Problem, Reason
from kfw.names import RowName
from kfw.system.process import Child, OnLine

log = logging.getLogger("kfw.forward")

#: Seconds that a tool gets to say why, after a probe has failed.
TO_SAY_WHY = 0.3


def logged(forward: str | RowName, tool: str, level_of: Callable[[str, str], int]) -> OnLine:
    """`api: socat stderr: 2026/11/21 08:23:47 ... Connection refused`, with the level that (stream, line) deserves."""

    def on_line(stream: str, line: str) -> None:
        log.log(level_of(stream, line), "%s: %s %s: %s", forward, tool, stream, line)

    return on_line


def ended(child: Child, words: str) -> Problem:
    """`words` are the child's own, cut down to what matters."""
    return Problem(Reason.CHILD_EXITED, f"{child.how_it_ended()}: {words}" if words else child.how_it_ended())


def stopped(child: Child) -> KfwError | None:
    """A child that lives and does not run takes connections all the same, as the kernel does that for it."""
    if not child.stopped:
        return None
    what = f"{Path(child.argv[0]).name} is stopped (SIGSTOP)"
    return KfwError(what, f"kill -CONT {child.pid}, or wait until it is replaced", reason=Reason.UNHEALTHY)


async def first(*futures: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait until one is done, at most so long; none is cancelled, whatever happens to us."""
    await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
