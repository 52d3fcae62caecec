"""A home with a daemon that says what it is told to, while somebody follows."""

from collections.abc import Iterator

import pytest

from tests.client.conftest import home_without_daemon
from tests.client.fake_daemon import home
from tests.tui.live_daemon import LiveDaemon

__all__ = ["home_without_daemon"]


@pytest.fixture
def daemon() -> Iterator[LiveDaemon]:
    with home() as folder:
        live = LiveDaemon(folder / "run" / "kfw.sock")
        try:
            yield live
        finally:
            live.close()
