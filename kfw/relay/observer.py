"""Who is told of connections: the daemon's list of them, or a foreground command that says a line for each."""

from typing import Protocol

from kfw.relay.connection import Connection


class ConnectionObserver(Protocol):
    """Called for each connection of a listener, `refused` at most once for each; all must return at once."""

    def began(self, connection: Connection) -> None: ...
    def refused(self, connection: Connection, why: str) -> None:
        """Nothing listens where it goes. It ends soon if that stays so."""
        ...

    def ended(self, connection: Connection) -> None: ...


class NullObserver:
    def began(self, connection: Connection) -> None:
        pass

    def refused(self, connection: Connection, why: str) -> None:
        pass

    def ended(self, connection: Connection) -> None:
        pass


NULL_OBSERVER = NullObserver()
