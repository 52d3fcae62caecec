"""Who is told of connections: the daemon's list of them, or a foreground command that says a line for each."""

from typing import Protocol

from kfw.relay.connection import Connection


class Watcher(Protocol):
    """Called for each connection of a listener, once each; both must return at once."""

    def began(self, connection: Connection) -> None: ...
    def ended(self, connection: Connection) -> None: ...


class Nobody:
    def began(self, connection: Connection) -> None:
        pass

    def ended(self, connection: Connection) -> None:
        pass


NOBODY = Nobody()
