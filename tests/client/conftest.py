"""A home without a daemon, and one with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.fake_daemon import FakeDaemon, home, running_daemon


@pytest.fixture(name="home")
def home_without_daemon() -> Iterator[Path]:
    with home() as folder:
        yield folder


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with running_daemon() as fake:
        yield fake
