"""The control socket: who is let in, and who has to go when there are too many. What they say: http.py.

Everything is bounded: connections, heads, bodies one by one and all together, the time that a request takes to arrive, and
the time that its reader takes. Who comes is let in: when there are too many, the one that does least goes.
"""

import asyncio
import logging
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

import h11

from kfw.daemon.http import LIMITS, PIECE, Connection, Doing, Handle, Held, Limits
from kfw.errors import KfwError
from kfw.paths import MAX_SOCKET_PATH
from kfw.system.files import put_aside
from kfw.system.limits import OPEN_FILES

log = logging.getLogger("kfw.server")


#: Connections that may wait for accept: with a full queue connect(2) fails.
_QUEUE = 1024
#: Seconds.
_NO_ROOM_PAUSE = 0.1


class Server:
    def __init__(self, path: Path, handle: Handle, limits: Limits = LIMITS) -> None:
        self._path = path
        self._handle = handle
        self._limits = limits
        self._held = Held(limits)
        self._socket: socket.socket | None = None
        #: In the order in which they came; None: just accepted.
        self._connections: dict[asyncio.Task[None], Connection | None] = {}

    async def start(self) -> None:
        """Listen. The caller holds the daemon's lock, so a socket file that is there is a leftover."""
        if len(os.fsencode(self._path)) > MAX_SOCKET_PATH:
            raise KfwError(
                f"the socket's path is longer than {MAX_SOCKET_PATH} bytes: {self._path}",
                "set KFW_HOME or XDG_RUNTIME_DIR to a shorter directory",
            )
        if self._path.is_dir() and not self._path.is_symlink():
            log.warning("%s was a directory and is now %s", self._path.name, put_aside(self._path).name)
        before = os.umask(0o177)  # the socket is 0600 from its first moment
        listening = socket.socket(socket.AF_UNIX)
        try:
            self._path.unlink(missing_ok=True)
            listening.bind(str(self._path))
            listening.listen(_QUEUE)
            listening.setblocking(False)
        except OSError as error:
            listening.close()
            raise KfwError(f"cannot listen on {self._path}: {error.strerror or error}") from error
        finally:
            os.umask(before)
        self._socket = listening
        self._watch()

    async def close(self) -> None:
        if self._socket and self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=2)
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _watch(self) -> None:
        if self._socket and self._socket.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    def _accept(self, listening: socket.socket) -> None:
        """One at a time. When the system has no more files we look away for a moment: it would tell us at once again."""
        try:
            peer, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            OPEN_FILES.refuse()
            log.debug("cannot accept a control connection: %s", error.strerror)
            loop = asyncio.get_running_loop()
            loop.remove_reader(listening)
            loop.call_later(_NO_ROOM_PAUSE, self._watch)
            return
        self._make_room()
        task = asyncio.create_task(self._serve(peer), name="control connection")
        self._connections[task] = None
        task.add_done_callback(lambda _: self._connections.pop(task, None))

    async def _serve(self, peer: socket.socket) -> None:
        if not _is_ours(peer):
            peer.close()
            return
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=PIECE, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, peer)
        except BaseException:
            peer.close()
            raise
        await self._converse(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = self._connections[task] = Connection(
            reader, writer, self._handle, self._limits, self._held
        )
        try:
            await connection.run()
        except asyncio.CancelledError:
            log.debug("control connection ended by the daemon")
        except (OSError, h11.ProtocolError) as error:
            log.debug("control connection ended: %s", type(error).__name__)
            connection.abort()
        finally:
            self._held.forget(connection)
            writer.close()
            await _gone(writer, self._limits.write)

    def _make_room(self) -> None:
        """For one more: the one that has waited longest for nothing goes first, then followers, at last who is answered."""
        while len(self._connections) >= self._limits.connections:
            task, connection = min(
                self._connections.items(), key=lambda item: _doing(item[1])
            )  # the first of these
            log.debug("too many control connections: one that is %s goes", _doing(connection).name)
            del self._connections[task]
            if connection:
                connection.abort()
            task.cancel()


def _doing(connection: Connection | None) -> Doing:
    return connection.doing if connection else Doing.WAITING


async def _gone(writer: asyncio.StreamWriter, seconds: float) -> None:
    """What a reader does not take in this time it does not get, and its connection does not stay."""
    try:
        async with asyncio.timeout(seconds):
            await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.CancelledError):
        writer.transport.abort()


def _is_ours(peer: socket.socket) -> bool:
    """True when the process at the other end runs as our user, or root."""
    uid = _peer_uid(peer)
    if uid in (os.getuid(), 0):
        return True
    log.warning("refused a control connection of user %s", uid)
    return False


def _peer_uid(peer: socket.socket) -> int:
    if sys.platform == "linux":
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    # struct xucred of <sys/ucred.h>: cr_version, cr_uid, ...; LOCAL_PEERCRED is 1 at level 0 on macOS and the BSDs
    return int(struct.unpack_from("II", peer.getsockopt(0, 1, 76))[1])
