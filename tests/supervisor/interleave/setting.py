"""What is put in place of the product's own for a history: time, the order of sets, and where the log goes."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

from kfw.methods.tunnel import idle_links, pings
from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.stream import Stream
from tests.supervisor.interleave.loop import VirtualLoop

#: Everything of kfw's that is logged here at ERROR is a mistake of kfw's.
LOG = logging.getLogger("kfw")


@contextmanager
def in_place_of(owner: object, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def one_time_and_order(loop: VirtualLoop) -> Iterator[None]:
    """One time for all, and sets whose order is the same in each run."""
    numbers = count()

    def number(self: Any) -> int:
        found: int = self.__dict__.setdefault("_number", next(numbers))
        return found

    with ExitStack() as stack:
        stack.enter_context(in_place_of(pings, "perf_counter", loop.time))
        # It collects the garbage of us all.
        stack.enter_context(in_place_of(idle_links, "give_back", lambda: None))
        for kind in (Link, Stream):
            stack.enter_context(in_place_of(kind, "__hash__", number))
        yield


@contextmanager
def logged(tell: Callable[[str], object]) -> Iterator[None]:
    """Everything that kfw logs as an error is told, and nothing is shown."""
    handler = _Handler(tell)
    before = LOG.level, LOG.propagate
    if before[0] != logging.ERROR:  # it forgets what all loggers have looked up
        LOG.setLevel(logging.ERROR)
    LOG.propagate = False
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.propagate = before[1]
        if before[0] != logging.ERROR:
            LOG.setLevel(before[0])


class _Handler(logging.Handler):
    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.ERROR)
        self._tell = tell
        self._formatter = logging.Formatter("%(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(self._formatter.format(record))
