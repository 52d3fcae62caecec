"""The event loop of a process that carries forwards: uvloop's where the extra `fast` is installed, else asyncio's own."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

from kfw.system.limits import raise_open_files
from kfw.system.tuning import expect_fast_streams

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """To its end, with as many open files as the system allows."""
    raise_open_files()
    expect_fast_streams()
    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(main)


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """KFW_LOOP=asyncio leaves uvloop alone."""
    if os.environ.get("KFW_LOOP") == "asyncio" or find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return factory
