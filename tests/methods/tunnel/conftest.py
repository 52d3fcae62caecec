"""Rules are tried in virtual time (virtual.py); bytes on real sockets, on asyncio's own loop, and on uvloop (the extra
`fast`) where that is installed."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import pytest

from tests.methods.tunnel.virtual import PipeLoop

Factories = dict[str, Callable[[], asyncio.AbstractEventLoop]]

#: Modules whose tests need the kernel.
REAL = frozenset({"test_access", "test_flow", "test_malformed", "test_sockets", "test_transports"})


def pytest_asyncio_loop_factories(item: pytest.Item) -> Factories:
    if item.module.__name__.rpartition(".")[2] not in REAL:  # type: ignore[attr-defined]
        return {"virtual": PipeLoop}
    factories: Factories = {"asyncio": asyncio.new_event_loop}
    if find_spec("uvloop"):
        factories["uvloop"] = import_module("uvloop").new_event_loop
    return factories
