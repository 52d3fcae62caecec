"""A home with a daemon that says what it is told to, while somebody follows."""

from collections.abc import Iterator

import pytest

from tests.client.conftest import home_without_daemon
from tests.client.fake_daemon import home, row
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


@pytest.fixture
def services(daemon: LiveDaemon) -> LiveDaemon:
    """With 40 forwards, of which number 7 is in error."""
    daemon.forwards = [
        row(
            f"svc-{number:02}",
            "error" if number == 7 else "active",
            localPort=9000 + number,
            url=None,
            message="nginx (pid 41) has it" if number == 7 else "",
        )
        for number in range(40)
    ]
    return daemon
