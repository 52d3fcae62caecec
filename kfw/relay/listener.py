"""A local port of kfw's: it accepts from the first moment to the last, whatever is behind it. An observer is told of
its connections: the daemon's list of them, or a foreground command that says a line for each.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from kfw.aio import Broadcast
from kfw.errors import words_of
from kfw.names import RowName
from kfw.relay.dialer import Dialer
from kfw.relay.disconnect import be_ready
from kfw.relay.local_connection import ListenerState, LocalConnection
from kfw.relay.suspicion import LATE, Hint, Suspicion
from kfw.system.open_files import OPEN_FILES, Use, is_shortage

#: As many are accepted before the connections that already run get their turn.
BATCH = 64
#: Seconds without accepting when there is no room (file descriptors, memory), and between two log lines about it.
NO_ROOM_PAUSE = 0.2
NO_ROOM_LOG_INTERVAL = 10.0
#: Seconds for which connections count as waiting after the last that could not be accepted.
NO_ROOM_REMEMBERED = 0.5


class ConnectionObserver(Protocol):
    """Called for each connection of a listener, `refused` at most once for each; all must return at once."""

    def began(self, connection: LocalConnection) -> None: ...
    def refused(self, connection: LocalConnection, why: str) -> None:
        """Nothing listens where it goes. It ends soon if that stays so."""
        ...

    def ended(self, connection: LocalConnection) -> None: ...


class NullObserver:
    def began(self, connection: LocalConnection) -> None:
        pass

    def refused(self, connection: LocalConnection, why: str) -> None:
        pass

    def ended(self, connection: LocalConnection) -> None:
        pass


NULL_OBSERVER = NullObserver()


class Listener:
    """Accepts on `sockets`, which it owns from now on, and carries each connection to what `use` named last.

    While there is no dialer, or every dial fails safely, a connection waits up to `hold` seconds and is then reset; up to
    `hold_refused`, when everybody refuses it.
    `on_knock` is called for each connection that arrives while there is no dialer, `watcher` is told of all. `on_hint`:
    connections are late or fail, so that it is worth to look at the way.
    """

    def __init__(
        self,
        name: str | RowName,
        sockets: Sequence[socket.socket],
        *,
        hold: float,
        hold_refused: float = 2.0,
        on_knock: Callable[[], None],
        log: logging.Logger,
        watcher: ConnectionObserver = NULL_OBSERVER,
        on_hint: Callable[[Hint], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._sockets = list(sockets)
        self._accepts = False
        self._on_knock = on_knock
        self._log = log
        self._watcher = watcher
        self._on_hint = on_hint
        self.suspicion = Suspicion()
        self._looking: asyncio.TimerHandle | None = None  # whether somebody is late
        self._terms = ListenerState(
            name, hold, log, watcher.refused, self._ended, self._waits, self.suspicion, hold_refused
        )
        self._live: set[LocalConnection] = set()
        self._all_ended = asyncio.Event()
        self._one_ended = Broadcast()
        self._no_room_logged = -NO_ROOM_LOG_INTERVAL
        self._no_room_at = float("-inf")
        self._past_in = self._past_out = 0
        self.total_connections = self.failed_connections = 0

    @property
    def connections(self) -> int:
        """Open now, those that wait included."""
        return len(self._live)

    @property
    def bytes_in(self) -> int:
        """From the cluster to the clients."""
        return self._past_in + sum(connection.bytes_in for connection in self._live)

    @property
    def bytes_out(self) -> int:
        return self._past_out + sum(connection.bytes_out for connection in self._live)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """On which it listens."""
        return tuple(self._sockets)

    def start(self) -> None:
        """Accept from now on, also after `pause`."""
        be_ready()
        self._accepts = True
        for sock in self._sockets:
            self._watch(sock)

    def pause(self) -> None:
        """Connections wait in the system's queue, for whoever accepts next on these sockets."""
        self._accepts = False
        for sock in self._sockets:
            if sock.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(sock)

    def leave(self) -> None:
        """The sockets are another process's. Live connections go on, and those that wait."""
        self._accepts = False
        self._stop_accepting()

    @property
    def waiting(self) -> int:
        """Connections that are not joined to anything."""
        return sum(not connection.joined for connection in self._live)

    @property
    def has_no_room(self) -> bool:
        """Connections wait in the system's queue, because this process cannot accept them."""
        return asyncio.get_running_loop().time() - self._no_room_at < NO_ROOM_REMEMBERED

    def use(self, dialer: Dialer | None, why: str = "", *, refused: bool = False) -> None:
        """Where connections go from now on; those that wait go at once, live ones stay where they are.

        None: they wait, and `why` is what the log says when the hold runs out. `refused`: because everybody refuses them.
        """
        if dialer is not None and dialer is not self._terms.dialer:
            self.suspicion.start_over()
        self._terms.dialer, self._terms.why, self._terms.refused = dialer, why, refused
        for connection in tuple(self._live):
            connection.go()

    def is_used(self, dialer: Dialer) -> bool:
        """A connection lives that it has made."""
        return any(connection.dialer is dialer for connection in self._live)

    async def wait_until_unused(self, dialer: Dialer) -> None:
        while self.is_used(dialer):
            await self._one_ended.wait()

    async def close(self, *, drain: float = 0.0) -> None:
        """Stop accepting, give live connections `drain` seconds to end by themselves, then reset them."""
        self._stop_accepting()
        if self._looking is not None:
            self._looking.cancel()
        self._cut(lambda connection: not connection.joined)
        with suppress(TimeoutError):
            async with asyncio.timeout(drain):
                await self._ended_all()
        self._cut(lambda connection: True)
        await self._ended_all()
        if self._terms.tasks:
            await asyncio.wait(self._terms.tasks)

    def _watch(self, sock: socket.socket) -> None:
        if self._accepts and sock.fileno() >= 0:
            asyncio.get_running_loop().add_reader(sock, self._accept, sock)

    def _stop_accepting(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            if sock.fileno() >= 0:
                loop.remove_reader(sock)
                sock.close()

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                OPEN_FILES.claim(Use.ACCEPT)
                client, _ = sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:  # it left before we came to it
                continue
            except OSError as error:
                self._no_room(sock, error)
                return
            client.setblocking(False)
            self._begin(client)

    def _begin(self, client: socket.socket) -> None:
        connection = LocalConnection(self._terms)
        self._live.add(connection)
        self.total_connections += 1
        self._watcher.began(connection)
        connection.begin(client)
        if self._terms.dialer is None:
            self._on_knock()

    def _waits(self, connection: LocalConnection) -> None:
        loop = asyncio.get_running_loop()
        self.suspicion.waits(connection, loop.time())
        if self._looking is None:
            self._looking = loop.call_later(LATE, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        hint, again = self.suspicion.look(loop.time())
        self._looking = None if again is None else loop.call_later(again, self._look)
        self._tell(hint)

    def _tell(self, hint: Hint) -> None:
        if hint:
            self._on_hint(hint)

    def _no_room(self, sock: socket.socket, error: OSError) -> None:
        """The port stays ready to read all the time: look away for a moment, or this loop does nothing else.

        Those that wait are in the system's queue, so they lose nothing by it.
        """
        if is_shortage(error):
            OPEN_FILES.refuse(Use.ACCEPT, error.errno or 0)
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        loop.call_later(NO_ROOM_PAUSE, self._watch, sock)
        self._no_room_at = loop.time()
        self._on_hint(Hint.ALL)
        if loop.time() - self._no_room_logged >= NO_ROOM_LOG_INTERVAL:
            self._no_room_logged = loop.time()
            self._log.warning(
                "%s: cannot accept connections: %s; they wait until there is room (%d are open)",
                self._name, words_of(error), len(self._live),
            )  # fmt: skip

    def _ended(self, connection: LocalConnection) -> None:
        self._live.discard(connection)
        self._past_in += connection.bytes_in
        self._past_out += connection.bytes_out
        self.failed_connections += connection.failed
        self._watcher.ended(connection)
        if connection.unanswered:
            self._tell(self.suspicion.failed(connection))
        else:
            self.suspicion.forget(connection)
        self._one_ended.notify_all()
        if not self._live:
            self._all_ended.set()

    def _cut(self, which: Callable[[LocalConnection], bool]) -> None:
        for connection in filter(which, tuple(self._live)):
            connection.cut("the port is closed")

    async def _ended_all(self) -> None:
        while self._live:
            self._all_ended.clear()
            await self._all_ended.wait()
