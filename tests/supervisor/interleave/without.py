"""The product without one of its fixes, to see that the histories find what the fix has ended."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from kfw import aio
from kfw.methods.tunnel.driver import PoolDriver
from kfw.methods.tunnel.link import Link
from kfw.supervisor.tasks import Tasks
from kfw.system.open_files import Use


async def _new_link(self: PoolDriver, pod: str, on_turn: Callable[[float], None]) -> Link:
    """As it was: that a dial was cancelled, by who closed its pool, became a cancellation of who waited for it."""
    dial = self.state.join_dial(pod, asyncio.get_running_loop().time()) or self._start_dial(pod, Use.UPKEEP)
    dial.asked = True
    on_turn(0.0)
    try:
        return await asyncio.shield(self._dials[dial])
    except asyncio.CancelledError:
        dial.asked = False
        raise


def _done(self: Tasks, name: str, task: "asyncio.Task[None]") -> None:
    """As it was: a task that ended by a cancellation ended unheard."""
    if not task.cancelled() and isinstance(error := task.exception(), Exception):
        self._on_defect(error)


@dataclass(frozen=True)
class Fix:
    """`before`: what takes which place; `caught_by`: what is said to be wrong then."""

    caught_by: str
    before: tuple[tuple[Any, str, Any], ...]


_DIALS = ((PoolDriver, "new_link", _new_link), (aio, "_error_of", asyncio.Task.exception))

FIXES = {
    "a dial that is cancelled by who closes its pool has failed": Fix("internal error", _DIALS),
    "a task that is cancelled from inside is heard": Fix(
        "in opening there is no task 'open'", (*_DIALS, (Tasks, "_done", _done))
    ),
}


@contextmanager
def without(fix: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, before in FIXES[fix].before:
            patch.setattr(owner, name, before)
        yield
