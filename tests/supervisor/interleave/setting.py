"""What is put in place of the product's own for a history, and where the log goes."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Everything of kfw's that is logged here at ERROR is a mistake of kfw's.
LOG = logging.getLogger("kfw")


@contextmanager
def logged(tell: Callable[[str], object]) -> Iterator[None]:
    """Everything that kfw logs as an error is told, and nothing is shown."""
    _HANDLER.tell = tell
    before = LOG.level, LOG.propagate
    if before[0] != logging.ERROR:  # it forgets what all loggers have looked up
        LOG.setLevel(logging.ERROR)
    LOG.propagate = False
    LOG.addHandler(_HANDLER)
    try:
        yield
    finally:
        LOG.removeHandler(_HANDLER)
        LOG.propagate = before[1]
        if before[0] != logging.ERROR:
            LOG.setLevel(before[0])


class _Handler(logging.Handler):
    """To make one takes locks, so there is one."""

    tell: Callable[[str], object]

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._formatter = logging.Formatter("%(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        self.tell(self._formatter.format(record))


_HANDLER = _Handler()
