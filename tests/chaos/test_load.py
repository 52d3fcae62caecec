"""The clients against servers of every kind, in a process of their own as in a run."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.real import talk
from tests.real.chaos.load import CLOSED, OK, REFUSED, RESET, SILENT, Attempt, Plan, clients


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Each connection in a thread."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        over = threading.Event()

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                serve(connection)

        def accept() -> None:
            while not over.is_set():
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        over.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(100):
        connection.sendall(data)


def close_at_once(connection: socket.socket) -> None:
    connection.recv(100)


def reset_at_once(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(100):
        pass


def echo_five_words(connection: socket.socket) -> None:
    for _ in range(5):
        connection.sendall(connection.recv(100))


SERVERS = {
    OK: echo,
    CLOSED: close_at_once,
    RESET: reset_at_once,
    SILENT: say_nothing,
    "five": echo_five_words,
}


def test_each_outcome_has_its_name_and_all_targets_get_the_rate(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ports = {name: stack.enter_context(server(serve)) for name, serve in SERVERS.items()}
        ports[REFUSED] = talk.free_ports(1)[0]
        targets = {name: ("127.0.0.1", port) for name, port in ports.items()}
        plan = Plan(str(tmp_path / "load"), targets, rate=20, live=2, patience=0.5, live_patience=1.0)
        with clients(plan) as records:
            time.sleep(4)
    for name in (OK, CLOSED, RESET, SILENT, REFUSED):
        new = of(records.attempts, name, live=False)
        assert {one.outcome for one in new} == {name}
        assert 30 <= len(new) <= 90, name
    silent = of(records.attempts, SILENT, live=False)
    assert all(0.4 < one.ended - one.began < 2 for one in silent)


def test_a_live_connection_counts_its_words_and_comes_back(tmp_path: Path) -> None:
    with server(echo_five_words) as port, server(echo) as other:
        targets = {"five": ("127.0.0.1", port), "good": ("127.0.0.1", other)}
        with clients(Plan(str(tmp_path / "load"), targets, rate=1, live=2)) as records:
            time.sleep(5)
    lost = of(records.attempts, "five", live=True)
    assert len(lost) >= 4
    assert {one.outcome for one in lost} <= {CLOSED, RESET}
    assert {one.words for one in lost} == {5}
    assert of(records.attempts, "good", live=True) == []


def of(attempts: list[Attempt], name: str, *, live: bool) -> list[Attempt]:
    return [one for one in attempts if one.target == name and one.live == live]
