"""HTTP/1.1 over the daemon's unix socket, by hand: `kfw status` has no time to import an HTTP library.

This module is on the fast path: nothing here may import typing, pathlib or msgspec, or what imports them. A socket is
what C has of it: the module socket imports selectors and enum, which take as long as half of Python's own start.
Source: RFC 9112, sections 4 (status line), 6.3 (length of a body) and 7.1 (chunked).
"""

from __future__ import annotations

import _socket
import os
import time

from kfw.folders import runtime_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from kfw.errors import KfwError

#: Seconds that a question may take; the daemon answers from memory.
TIMEOUT = 10.0
_MAX_LINE = 65536
_START = "`kfw up` starts it, and so does `kfw start`"


class ControlConnection:
    """One request and its reply. What goes wrong inside the `with` becomes a KfwError."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        """`timeout`: seconds for all of it, unless `wait` says otherwise."""
        self._path = socket_path()
        self._timeout = timeout
        self._buffer = b""
        self.wait(timeout)

    def wait(self, timeout: float | None) -> None:
        """From now on reading raises TimeoutError after this many seconds; None: never."""
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def shut(self) -> None:
        """End it from another thread, which reading in this one would not hear of otherwise."""
        try:  # noqa: SIM105 - contextlib is not on the fast path
            self._socket.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended by itself

    def __enter__(self) -> ControlConnection:
        try:
            self._socket = _connect(self._path, self._timeout)
        except (OSError, ValueError) as error:
            raise _in_words(error, self._path, self._timeout) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()
        if isinstance(error, OSError | EOFError | ValueError):
            raise _in_words(error, self._path, self._timeout) from error

    def send(self, method: str, target: str, body: bytes = b"") -> None:
        head = f"{method} {target} HTTP/1.1\r\nHost: kfw\r\nConnection: close\r\n"
        if method == "POST":
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._socket.sendall(f"{head}\r\n".encode() + body)

    def head(self) -> tuple[int, dict[str, str]]:
        """The status code, and the headers with their names in lower case."""
        first = self.line()
        version, _, rest = first.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise ValueError(f"it says {first[:60]!r}")
        headers: dict[str, str] = {}
        while line := self.line():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(rest[:3]), headers

    def body(self, headers: dict[str, str]) -> Iterator[bytes]:
        """The body as it comes: by chunks, by its length, or until the daemon closes."""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            while size := int(self.line().partition(b";")[0], 16):
                yield self._exactly(size)
                self.line()
        elif "content-length" in headers:
            yield self._exactly(int(headers["content-length"]))
        else:
            yield self._buffer
            while data := self._receive():
                yield data

    def line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _MAX_LINE:
                raise ValueError("it sends a line without an end")
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _fill(self) -> None:
        data = self._receive()
        if not data:
            raise EOFError("it closed the connection before its answer was complete")
        self._buffer += data

    def _receive(self) -> bytes:
        if self._deadline is None:
            self._socket.settimeout(None)
        elif (left := self._deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
        else:
            raise TimeoutError
        return self._socket.recv(262144)


def socket_path() -> str:
    """`kfw.paths.socket_path()` as text, because pathlib costs 10 ms. Raises UsageError as that does."""
    return f"{runtime_folder()}/kfw.sock"


def request(method: str, target: str, body: bytes = b"", *, timeout: float = TIMEOUT) -> tuple[int, bytes]:
    """One question: the status code and the whole answer. Raises KfwError."""
    with ControlConnection(timeout) as connection:
        connection.send(method, target, body)
        status, headers = connection.head()
        return status, b"".join(connection.body(headers))


def server_sent(connection: ControlConnection, headers: dict[str, str]) -> Iterator[bytes]:
    """The `data:` of each event, as https://html.spec.whatwg.org/#event-stream-interpretation has it."""
    data: list[bytes] = []
    for line in _lines(connection.body(headers)):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r")


def _connect(path: str, timeout: float) -> _socket.socket:
    owner = os.stat(path).st_uid  # noqa: PTH116 - pathlib costs 10 ms
    if owner != os.getuid():
        raise PermissionError(f"it belongs to the user with id {owner}")
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.settimeout(timeout)
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                connection.connect(path)
                break
            except BlockingIOError:  # its queue is full (connect(2), EAGAIN of unix sockets)
                if time.monotonic() > deadline:
                    raise TimeoutError from None
                time.sleep(0.01)
    except BaseException:
        connection.close()
        raise
    return connection


def _in_words(error: OSError | EOFError | ValueError, path: str, timeout: float) -> KfwError:
    """`path`: the socket; `timeout`: the seconds that were waited."""
    from kfw.errors import DaemonNotRunning, KfwError, TimedOut, UsageError, words_of  # not on the fast path

    pid_file = path.removesuffix("sock") + "pid"
    again = f"end it with `kill $(cat {pid_file})`, then `kfw start`"
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return DaemonNotRunning("the daemon is not running", _START)
        case ConnectionRefusedError():
            return DaemonNotRunning("the daemon is not running (it left its socket behind)", _START)
        case PermissionError():
            what = f"cannot use the socket {path}: {words_of(error)}"
            return KfwError(what, "remove it, or set KFW_HOME to a directory of your own")
        case TimeoutError():
            return TimedOut(f"the daemon did not answer within {timeout:g} seconds", again)
        case OSError() if "too long" in str(error):
            what = f"the path {path} is too long for a socket"
            return UsageError(what, "set KFW_HOME to a shorter directory")
        case EOFError() | ConnectionError():
            what = f"the daemon ended in the middle of its answer: {error}"
            return KfwError(what, "`kfw logs` may say why")
    return KfwError(f"cannot understand what answers on {path}: {error}", again)


def ended_meanwhile(error: KfwError) -> bool:
    """The daemon ended while it was asked: as good as not running."""
    return isinstance(error.__cause__, EOFError | ConnectionError)
