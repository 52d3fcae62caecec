"""Who is let in, and who has to go when there are too many. What they say: http11.py.

Everything is bounded: connections, heads, bodies one by one and all together, the time that a request takes to arrive, and
the time that its reader takes. Who comes is let in: when there are too many, the one that does least goes.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from functools import partial

import h11

from kfw.http.bounds import LIMITS, HttpLimits, Memory
from kfw.http.client_connection import PIECE, ClientConnection, EndedByFault, FaultHook
from kfw.http.http11 import Activity, HttpConnection
from kfw.http.messages import Handler, Refusal, in_plain_text
from kfw.system.open_files import OPEN_FILES
from kfw.system.tls_streams import open_accepted

log = logging.getLogger(__name__)

#: Seconds until accepting is tried again when there were too many open files.
_NO_ROOM_PAUSE = 0.1


class HttpServer:
    """Serves what a listening socket accepts. Must be used in the event loop.

    `name` is that of tasks and log lines; `admits` is asked of each connection before anything is read from it; with `tls`
    all is encrypted, and a request has the name of its client's certificate.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        name: str,
        limits: HttpLimits = LIMITS,
        refusal: Refusal = in_plain_text,
        admits: Callable[[socket.socket], bool] = lambda _: True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        #: What may hold connections up; those that are open keep the one they have.
        self.hook: FaultHook | None = None
        self._handler = handler
        self._name = name
        self._limits = limits
        self._refusal = refusal
        self._admits = admits
        self._tls = tls
        self._memory = Memory(limits)
        self._listening: socket.socket | None = None
        self._paused = False
        #: In the order in which they came; None: just accepted.
        self._connections: dict[asyncio.Task[None], HttpConnection | None] = {}

    @property
    def clients(self) -> Iterable[ClientConnection]:
        return [one.client for one in self._connections.values() if one]

    def listen(self, listening: socket.socket) -> None:
        """Serve what comes there; the socket is ours from now on."""
        listening.setblocking(False)
        self._listening = listening
        self._watch()

    def stop_listening(self) -> None:
        """The address refuses; who is connected is served on."""
        if self._listening:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def pause(self) -> None:
        """The kernel takes connections, and nobody answers them until `resume`."""
        self._paused = True
        if self._listening:
            asyncio.get_running_loop().remove_reader(self._listening)

    def resume(self) -> None:
        self._paused = False
        self._watch()

    async def close(self, grace: float) -> None:
        """End all. What was said and is not read yet has `grace` seconds; with 0 connections are cut."""
        self.stop_listening()
        tasks = list(self._connections)
        if not grace:
            for client in self.clients:
                client.abort()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace or None)

    def _watch(self) -> None:
        if self._listening and not self._paused:
            asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    def _accept(self, listening: socket.socket) -> None:
        """One at a time. When the system has no more files we look away for a moment: it would tell us at once again."""
        try:
            peer, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError as error:
            OPEN_FILES.refuse()
            log.debug("%s: cannot accept a connection: %s", self._name, error.strerror)
            loop = asyncio.get_running_loop()
            loop.remove_reader(listening)
            loop.call_later(_NO_ROOM_PAUSE, self._watch)
            return
        self._make_room()
        task = asyncio.create_task(self._serve(peer), name=f"{self._name} connection")
        self._connections[task] = None
        task.add_done_callback(partial(self._on_end, peer))

    def _on_end(self, peer: socket.socket, task: asyncio.Task[None]) -> None:
        if not self._connections.pop(task, None):
            peer.close()  # it has no client: not let in, or ended before its task began
        if not task.cancelled() and (error := task.exception()):
            log.error("%s: failed", task.get_name(), exc_info=error)

    async def _serve(self, peer: socket.socket) -> None:
        if not self._admits(peer):
            return
        try:
            limit = self._limits.handshake if self._tls else None
            reader, writer = await open_accepted(peer, PIECE, self._tls, within=limit)
        except OSError as error:  # it left, or speaks no TLS, or shows a certificate that is not ours
            log.debug("%s connection: not opened: %s", self._name, error)
            return
        client = ClientConnection(reader, writer, hook=self.hook, write=self._limits.write)
        await self._serve_client(client, _common_name(writer))

    async def _serve_client(self, client: ClientConnection, common_name: str | None) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = self._connections[task] = HttpConnection(
            client,
            self._handler,
            self._limits,
            self._memory,
            refusal=self._refusal,
            common_name=common_name,
            name=self._name,
        )
        try:
            await connection.run()
        except asyncio.CancelledError:
            log.debug("%s connection: ended by the server", self._name)
        except EndedByFault:
            log.debug("%s connection: ended by a fault", self._name)
        except (OSError, h11.ProtocolError) as error:
            log.debug("%s connection: ended by %s", self._name, type(error).__name__)
            client.abort()
        finally:
            await client.close()

    def _make_room(self) -> None:
        """For one more: the one that has waited longest for nothing goes first, then followers, at last who is answered."""
        while len(self._connections) >= self._limits.connections:
            # of equal ones `min` takes the first
            task, connection = min(self._connections.items(), key=lambda item: _activity(item[1]))
            log.debug(
                "%s: too many connections, one that is %s is closed", self._name, _activity(connection).name
            )
            del self._connections[task]
            if connection:
                connection.client.abort()
            task.cancel()


def _activity(connection: HttpConnection | None) -> Activity:
    return connection.activity if connection else Activity.WAITING


def _common_name(writer: asyncio.StreamWriter) -> str | None:
    certificate = writer.get_extra_info("peercert") or {}
    pairs = [pair for group in certificate.get("subject", ()) for pair in group]
    return next((value for key, value in pairs if key == "commonName"), None)
