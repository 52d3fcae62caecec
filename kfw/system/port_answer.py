"""What answers on a local port: HTTP, TLS, a greeting, PostgreSQL, or at least a connection that stays open."""

import socket
import ssl
import time
from dataclasses import dataclass

from kfw.errors import words_of

#: Seconds for all that is said to one port.
LIMIT = 5.0
#: Seconds in which a server that speaks first has spoken.
_FIRST = 0.3
#: Seconds after which a server that was not said to be HTTP is taken for one that is none.
_SILENCE = 1.5
#: Seconds after which a container runtime has passed on that nobody listens in the pod.
_LATE_CLOSE = 1.5
#: SSLRequest of the PostgreSQL protocol, section 55.7: every PostgreSQL answers it with one byte, S or N.
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@dataclass(frozen=True)
class PortAnswer:
    """`protocol`: http, https, tls, tcp, postgres or "". `words`: what answered, or what went wrong."""

    ok: bool
    protocol: str
    words: str

    @property
    def is_server_error(self) -> bool:
        """HTTP with a status of 500 or more: the app is there, and says itself that it does not work."""
        return self.protocol in ("http", "https") and self.words.startswith("5")


def talk(host: str, port: int, *, web: bool, limit: float = LIMIT) -> PortAnswer:
    """`web`: it is said to be HTTP, so that nothing else will do."""
    call = _Call(host, port, time.monotonic() + limit)
    try:
        return _conversation(call, web)
    except ConnectionRefusedError:
        return PortAnswer(False, "", "nothing listens there")
    except TimeoutError:
        return PortAnswer(False, "", f"no answer within {limit:g} seconds")
    except OSError as error:
        return PortAnswer(False, "", f"the connection broke: {words_of(error)}")


def _conversation(call: "_Call", web: bool) -> PortAnswer:
    with call.connect() as connection:
        if greeting := call.first_words(connection):
            return PortAnswer(True, "tcp", f"greets with {_quoted(greeting)}")
        plain = call.ask_http(connection, call.left() if web else _SILENCE)
    if plain is None:  # TLS servers do not keep silent when they are spoken to like that
        return PortAnswer(not web, "" if web else "tcp", "connected, no data received")
    if plain.startswith(b"HTTP/") and b" 400 " not in plain[:16]:
        return PortAnswer(True, "http", _status_line(plain))
    if secure := call.over_tls():
        return secure
    if plain.startswith(b"HTTP/"):  # 400 is also what a TLS server says to plain text
        return PortAnswer(True, "http", _status_line(plain))
    if web:
        return PortAnswer(False, "", f"not HTTP, it sends {_quoted(plain)}" if plain else "an empty reply")
    return _no_http(call, plain)


def _no_http(call: "_Call", plain: bytes) -> PortAnswer:
    if plain:
        return PortAnswer(True, "tcp", f"answers {_quoted(plain)}")
    if byte := call.ask_postgres():
        return PortAnswer(True, "postgres", f"PostgreSQL, {'with' if byte == b'S' else 'without'} TLS")
    if call.stays_open():
        return PortAnswer(True, "tcp", "connected, closes when it gets unknown input")
    return PortAnswer(False, "", "the connection is closed, no data received")


class _Call:
    """Every question on a connection of its own; all of them within one deadline. Each may raise OSError."""

    def __init__(self, host: str, port: int, deadline: float) -> None:
        self._address = (host, port)
        self._deadline = deadline

    def connect(self) -> socket.socket:
        return socket.create_connection(self._address, self.left())

    def first_words(self, connection: socket.socket) -> bytes:
        """What a server says that speaks first; b"" if it waits for us. Raises ConnectionError if it closes."""
        data = self._received(connection, _FIRST)
        if data == b"":
            raise ConnectionResetError("closed, no data received")
        return data or b""

    def ask_http(self, connection: socket.socket, seconds: float) -> bytes | None:
        """The beginning of the answer; b"" for a close, None for silence."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else "localhost"
        head = f"GET / HTTP/1.1\r\nHost: {host}:{self._address[1]}\r\nUser-Agent: kfw\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        return self._received(connection, seconds)

    def over_tls(self) -> PortAnswer | None:
        """HTTP over TLS, or TLS alone; None if it does not speak TLS. Whose certificate it is does not matter."""
        with self.connect() as connection:
            try:
                secure = _trusting().wrap_socket(connection, server_hostname="localhost")
            except (ssl.SSLError, ConnectionError, TimeoutError):
                return None
            with secure:
                reply = self.ask_http(secure, self.left())
                if reply and reply.startswith(b"HTTP/"):
                    return PortAnswer(True, "https", f"{_status_line(reply)} (certificate unchecked)")
                return PortAnswer(True, "tls", f"{secure.version()}, not HTTP")

    def ask_postgres(self) -> bytes:
        with self.connect() as connection:
            connection.sendall(_SSL_REQUEST)
            byte = self._received(connection, _FIRST) or b""
        return byte if byte in (b"S", b"N") else b""

    def stays_open(self) -> bool:
        with self.connect() as connection:
            return self._received(connection, min(_LATE_CLOSE, self.left())) != b""

    def _received(self, connection: socket.socket, seconds: float) -> bytes | None:
        """Some bytes, b"" for a close, None for silence."""
        connection.settimeout(max(min(seconds, self.left()), 0.01))
        try:
            return connection.recv(4096)
        except TimeoutError:
            return None
        except ConnectionResetError:
            return b""

    def left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _status_line(reply: bytes) -> str:
    line = reply.split(b"\r\n", 1)[0].decode("latin-1")
    return line.partition(" ")[2].strip() or line


def _quoted(data: bytes) -> str:
    text = data.split(b"\n", 1)[0][:60].decode("latin-1").strip()
    return repr(text) if text.isprintable() else f"{len(data)} bytes"
