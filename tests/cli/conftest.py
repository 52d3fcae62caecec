"""The same fixtures as for the client."""

from tests.client.conftest import daemon, home_without_daemon

__all__ = ["daemon", "home_without_daemon"]
