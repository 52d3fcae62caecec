"""Each test of the tunnel runs on asyncio's own loop, and on uvloop (the extra `fast`) where that is installed."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import pytest

Factories = dict[str, Callable[[], asyncio.AbstractEventLoop]]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Factories:
    factories: Factories = {"asyncio": asyncio.new_event_loop}
    if find_spec("uvloop"):
        factories["uvloop"] = import_module("uvloop").new_event_loop
    return factories
