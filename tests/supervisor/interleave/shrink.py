"""A failing history without what it does not need to fail."""

from collections.abc import Callable
from dataclasses import replace

from tests.supervisor.interleave.history import History


def shrink(history: History, fails: Callable[[History], bool]) -> History:
    """Leaves out event after event, from the last to the first, until each that is left is needed."""
    size = len(history.events) + 1
    while len(history.events) < size:
        size = len(history.events)
        for number in reversed(range(size)):
            without = replace(history, events=history.events[:number] + history.events[number + 1 :])
            if fails(without):
                history = without
    return history
