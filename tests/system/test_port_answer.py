"""Real sockets on loopback that behave in all the ways a port can."""

import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfw.system.port_answer import PortAnswer, talk

Talk = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def server(behave: Talk) -> Iterator[int]:
    """A port on which every connection is treated like this."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_treat, args=(behave, connection), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _treat(behave: Talk, connection: socket.socket) -> None:
    with connection:
        try:
            behave(connection)
        except OSError:
            return


def answers(reply: bytes) -> Talk:
    def behave(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(reply)

    return behave


def greets(words: bytes) -> Talk:
    def behave(connection: socket.socket) -> None:
        connection.sendall(words)
        connection.recv(4096)

    return behave


def echoes(connection: socket.socket) -> None:
    while data := connection.recv(4096):
        connection.sendall(data)


def is_silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def closes(connection: socket.socket) -> None:
    return


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes_when_asked(connection: socket.socket) -> None:
    connection.recv(4096)


def is_postgres(connection: socket.socket) -> None:
    if connection.recv(4096) == bytes.fromhex("0000000804d2162f"):
        connection.sendall(b"N")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signed by itself, for another name."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    argv = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=elsewhere",
        "-days",
        "2",
    ]
    subprocess.run(
        [*argv, "-keyout", file, "-out", file.with_suffix(".crt")], check=True, capture_output=True
    )
    file.write_text(file.read_text() + file.with_suffix(".crt").read_text())
    return file


def over_tls(certificate: Path, plain: bytes, behave: Talk) -> Talk:
    """`plain`: what it says to somebody who does not speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def treat(connection: socket.socket) -> None:
        if connection.recv(1, socket.MSG_PEEK) != b"\x16":
            connection.recv(4096)
            connection.sendall(plain)
            return
        with context.wrap_socket(connection, server_side=True) as secure:
            behave(secure)

    return treat


@pytest.mark.parametrize(
    ("behave", "web", "expected"),
    [
        (answers(OK), True, PortAnswer(True, "http", "200 OK")),
        (
            answers(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
            True,
            PortAnswer(True, "http", "503 Service Unavailable"),
        ),
        (answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), True, PortAnswer(True, "http", "400 Bad Request")),
        (answers(OK), False, PortAnswer(True, "http", "200 OK")),
        (
            greets(b"SSH-2.0-OpenSSH_9.2\r\n"),
            False,
            PortAnswer(True, "tcp", "greets with 'SSH-2.0-OpenSSH_9.2'"),
        ),
        (greets(b"\x00\x01\x02"), False, PortAnswer(True, "tcp", "greets with 3 bytes")),
        (echoes, False, PortAnswer(True, "tcp", "answers 'GET / HTTP/1.1'")),
        (is_postgres, False, PortAnswer(True, "postgres", "PostgreSQL, without TLS")),
        (closes, True, PortAnswer(False, "", "the connection broke: closed, no data received")),
        (closes, False, PortAnswer(False, "", "the connection broke: closed, no data received")),
        (closes_when_asked, True, PortAnswer(False, "", "an empty reply")),
        (echoes, True, PortAnswer(False, "", "not HTTP, it sends 'GET / HTTP/1.1'")),
    ],
)
def test_B25_what_answers_is_said(behave: Talk, web: bool, expected: PortAnswer) -> None:
    with server(behave) as port:
        assert talk("127.0.0.1", port, web=web) == expected


def test_B25_a_reset_is_no_answer() -> None:
    """Whether the reset comes before our question or after it, the system says in other words."""
    with server(resets) as port:
        answer = talk("127.0.0.1", port, web=False)
    assert not answer.ok
    assert "the connection broke: " in str(answer)


def test_a_server_that_waits_for_its_own_protocol_is_open() -> None:
    with server(is_silent) as port:
        assert talk("127.0.0.1", port, web=False) == PortAnswer(True, "tcp", "connected, no data received")


def test_silence_is_no_answer_for_what_should_be_http() -> None:
    with server(is_silent) as port:
        assert not talk("127.0.0.1", port, web=True, limit=1).ok


def test_a_server_that_closes_on_words_it_does_not_know_is_open() -> None:
    with server(closes_when_asked) as port:
        assert talk("127.0.0.1", port, web=False).ok


def test_a_port_that_nobody_listens_on_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert talk("127.0.0.1", port, web=False) == PortAnswer(False, "", "nothing listens there")


@pytest.mark.parametrize(
    "plain", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"]
)
def test_B25_tls_is_spoken_without_trust(certificate: Path, plain: bytes) -> None:
    with server(over_tls(certificate, plain, answers(OK))) as port:
        answer = talk("127.0.0.1", port, web=True)
    assert answer == PortAnswer(True, "https", "200 OK (certificate unchecked)")


def test_tls_without_http_is_tls(certificate: Path) -> None:
    with server(over_tls(certificate, b"", answers(b"\x00"))) as port:
        assert talk("127.0.0.1", port, web=False) == PortAnswer(True, "tls", "TLSv1.3, not HTTP")
