"""The control socket: where it is, who is let in, and how a refusal reads. The HTTP on it: kfw/http."""

import logging
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from kfw.errors import KfwError, words_of
from kfw.http.bounds import LIMITS, HttpLimits
from kfw.http.messages import Handler, Response
from kfw.http.server import HttpServer
from kfw.paths import MAX_SOCKET_PATH
from kfw.protocol import ErrorReply
from kfw.reasons import Reason
from kfw.system.files import put_aside

log = logging.getLogger("kfw.server")

#: Connections that may wait for accept: with a full queue connect(2) fails.
_QUEUE = 1024
#: Seconds that replies have at the end.
_GRACE = 2.0


class ControlSocket:
    """`limits` are for the API's largest request, an `up` of four thousand forwards. `listening`: handed over."""

    def __init__(
        self,
        path: Path,
        handler: Handler,
        limits: HttpLimits = LIMITS,
        listening: socket.socket | None = None,
    ) -> None:
        self._path = path
        self._listening = listening
        self.is_ours = listening is None  # its file; False while it is another daemon's
        self._server = HttpServer(handler, name="control", limits=limits, refusal=_refusal, admits=_is_ours)

    async def start(self) -> None:
        """Listen. The caller holds the daemon's lock, so a socket file that is there is a leftover."""
        if self._listening is not None:
            self._server.listen(self._listening)
            return
        if len(os.fsencode(self._path)) > MAX_SOCKET_PATH:
            raise KfwError(
                f"the socket's path is longer than {MAX_SOCKET_PATH} bytes: {self._path}",
                "set KFW_HOME or XDG_RUNTIME_DIR to a shorter directory",
            )
        if self._path.is_dir() and not self._path.is_symlink():
            log.warning(
                "%s was a directory, so it was renamed to %s", self._path.name, put_aside(self._path).name
            )
        self._listening = _bind(self._path)
        self._server.listen(self._listening)

    def file(self) -> int:
        """The listening socket's."""
        assert self._listening is not None, "it has started"
        return self._listening.fileno()

    def pause(self) -> None:
        """Whoever asks waits, for whichever process listens on this socket next."""
        self._server.pause()

    def resume(self) -> None:
        self._server.resume()

    def leave(self) -> None:
        """The socket is another process's; what was asked here is answered here."""
        self._server.stop_listening()
        self.is_ours = False

    async def close(self) -> None:
        await self._server.close(_GRACE)
        if not self.is_ours:
            return
        with suppress(FileNotFoundError):
            self._path.unlink()


def _bind(path: Path) -> socket.socket:
    """Listening there, for this user alone. Raises KfwError."""
    before = os.umask(0o177)  # the socket is 0600 from its first moment
    listening = socket.socket(socket.AF_UNIX)
    try:
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        listening.listen(_QUEUE)
    except OSError as error:
        listening.close()
        raise KfwError(f"cannot listen on {path}: {words_of(error)}") from error
    finally:
        os.umask(before)
    return listening


def _refusal(status: int, why: str) -> Response:
    """A request that cannot be read is its sender's mistake, also where HTTP's own number says 501 (another coding)."""
    reply = ErrorReply(what=why, exit_code=2, reason=Reason.BAD_CONFIG)
    return Response(status if status < 500 else 400, msgspec.json.encode(reply))


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
