"""HTTP over the unix socket: what is read, and what is said when it cannot be."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfw import paths
from kfw.client import control_http
from kfw.errors import DaemonNotRunning, KfwError, TimedOut, UsageError
from tests.client.fake_daemon import FakeDaemon, answer


@contextmanager
def somebody(home: Path, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Whoever listens on the socket, for one connection."""
    path = home / "run" / "kfw.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                talk(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(5)


def says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n6\r\nhello \r\n5;x=y\r\nworld\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello world",
    ],
    ids=["by its length", "in chunks", "until the end"],
)
def test_a_body_is_read(home: Path, reply: bytes) -> None:
    with somebody(home, says(reply)):
        assert control_http.request("GET", "/") == (200, b"hello world")


def test_a_body_that_comes_byte_by_byte_is_read_too(home: Path) -> None:
    def talk(connection: socket.socket) -> None:
        for byte in answer([1, 2]):
            connection.sendall(bytes([byte]))

    with somebody(home, talk):
        assert control_http.request("GET", "/") == (200, b"[1, 2]")


def test_without_a_socket_the_daemon_is_not_running(home: Path) -> None:
    with pytest.raises(DaemonNotRunning) as caught:
        control_http.request("GET", "/")
    assert caught.value.what == "the daemon is not running"
    assert "kfw up" in caught.value.fix


def test_a_socket_that_nobody_listens_on_was_left_behind(home: Path) -> None:
    path = home / "run" / "kfw.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(DaemonNotRunning, match="left its socket behind"):
        control_http.request("GET", "/")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_socket_of_another_user_is_not_used(daemon: FakeDaemon) -> None:
    os.chown(daemon.path, 12345, -1)
    with pytest.raises(KfwError, match="belongs to the user with id 12345"):
        control_http.request("GET", "/")
    assert daemon.asked == []


def test_a_file_that_is_no_socket_is_taken_for_a_leftover(home: Path) -> None:
    (home / "run").mkdir()
    (home / "run" / "kfw.sock").write_text("")
    with pytest.raises(DaemonNotRunning):
        control_http.request("GET", "/")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0"),
        (b"HTTP/1.1 oh dear\r\n\r\n", "oh dear"),
        (b"\x00" * 70_000, "without an end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "many"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "zz"),
    ],
)
def test_garbage_is_shown_with_what_ends_it(home: Path, data: bytes, word: str) -> None:
    with somebody(home, says(data)), pytest.raises(KfwError, match=word) as caught:
        control_http.request("GET", "/")
    assert "cannot understand" in caught.value.what
    assert "kfw.pid" in caught.value.fix


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_a_daemon_that_ends_in_the_middle_is_no_success(home: Path, data: bytes) -> None:
    with somebody(home, says(data)), pytest.raises(KfwError, match="in the middle of its answer"):
        control_http.request("GET", "/")


def test_a_daemon_that_hangs_is_given_up(home: Path) -> None:
    done = threading.Event()
    with somebody(home, lambda _: print(done.wait(5))):
        with pytest.raises(TimedOut, match=r"did not answer within 0\.1 seconds"):
            control_http.request("GET", "/", timeout=0.1)
        done.set()


def test_a_daemon_that_sends_a_byte_now_and_then_is_given_up_too(home: Path) -> None:
    done = threading.Event()

    def talk(connection: socket.socket) -> None:
        while not done.wait(0.02):
            connection.sendall(b"x")

    with somebody(home, talk):
        with pytest.raises(TimedOut):
            control_http.request("GET", "/", timeout=0.2)
        done.set()


def test_a_path_that_is_too_long_for_a_socket_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("x" * 120)
    (deep / "run").mkdir(parents=True)
    (deep / "run" / "kfw.sock").write_text("")
    monkeypatch.setenv("KFW_HOME", str(deep))
    with pytest.raises(UsageError, match="too long"):
        control_http.request("GET", "/")


@pytest.mark.parametrize(
    "env",
    [
        {"KFW_HOME": "/somewhere"},
        {"XDG_RUNTIME_DIR": "/tmp"},
        {"XDG_RUNTIME_DIR": "/not/there"},
        {"XDG_RUNTIME_DIR": "", "XDG_STATE_HOME": "/state"},
        {"XDG_STATE_HOME": "relative/is/ignored"},
        {"HOME": "/home/somebody"},
        {},
    ],
)
def test_the_socket_is_where_paths_py_says(monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    for name in ("KFW_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert control_http.socket_path() == str(paths.socket_path())


def test_server_sent_events_are_put_together(home: Path) -> None:
    text = b": a comment\n\ndata: {\ndata: }\nid: 7\n\nevent: x\n\ndata:bare\r\n\r\ndata: unfinished\n"
    with (
        somebody(home, says(b"HTTP/1.1 200 OK\r\n\r\n" + text)),
        control_http.ControlConnection() as connection,
    ):
        connection.send("GET", "/")
        _, headers = connection.head()
        assert list(control_http.server_sent(connection, headers)) == [b"{\n}", b"bare"]
