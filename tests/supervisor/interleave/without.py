"""The product without one of its fixes, to see that the histories find what the fix has ended."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.pool import Pool
from kfw.supervisor.tasks import Tasks


async def _fresh(self: Pool, pod: str) -> Link:
    """As it was: that a dial was cancelled, by who closed its pool, became a cancellation of who waited for it."""
    dial = self._dials.join(pod)
    try:
        return await asyncio.shield(dial)
    except asyncio.CancelledError:
        self._dials.left_alone(dial)
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


_DIALS = ((Pool, "fresh", _fresh), (aio, "_error_of", asyncio.Task.exception))

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
