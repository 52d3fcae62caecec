"""New connections all the time, and what the forward is said to be meanwhile: is `active` said while all of them fail?"""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.whole.program import Program, Row

GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
#: Seconds that a client waits for its first byte.
PATIENCE = 8.0
#: Seconds that a client stays after its answer.
STAY = 1.5


@dataclass
class Try:
    """One connection: when it began and when it was known how it went, by time.monotonic(). `broke`: it was answered, and
    ended while its client stayed."""

    began: float
    ended: float = 0.0
    how: str = ""  # "" while it waits, "answered", "refused", "lost", "late"
    broke: bool = False


@dataclass
class Load:
    tries: list[Try] = field(default_factory=list)
    seen: list[tuple[float, Row]] = field(default_factory=list)

    def lost(self) -> int:
        """Connections that were taken and ended without an answer, or while their clients stayed."""
        return sum(one.how == "lost" or one.broke for one in self.tries)

    def hows(self) -> dict[str, int]:
        return dict(Counter(one.how for one in self.tries))

    def longest_untrue(self, since: float) -> float:
        """The longest time in which `active` was said, and no connection begun in it was answered though some were.

        Begins with the first connection after `since`; a connection counts when it is known how it went."""
        longest, began = 0.0, None
        for at, row in self.seen:
            if at < since:
                continue
            good = any(one.how == "answered" and since <= one.ended <= at for one in self.tries)
            if row["status"] != "active" or good:
                began = None
                if good:
                    since = at
                continue
            began = at if began is None else began
            if any(began <= one.began <= at for one in self.tries):
                longest = max(longest, at - began)
        return longest

    def statuses(self, since: float = 0.0) -> list[str]:
        """Without repetition."""
        told: list[str] = []
        for at, row in self.seen:
            if at >= since and told[-1:] != [row["status"]]:
                told.append(row["status"])
        return told

    def messages(self, since: float = 0.0) -> set[str]:
        return {row["message"] for at, row in self.seen if at >= since and row["message"]}


@contextmanager
def loads(
    kfw: Program,
    ports: Mapping[str, int],
    *,
    per_second: float = 20,
    says: bytes = GET,
    stays: bool = False,
) -> Iterator[dict[str, Load]]:
    """By forward, on its port, while the statuses of all are looked at every 20 ms. `stays`: every other client does so for
    STAY."""
    over = threading.Event()
    found = {name: Load() for name in ports}
    clients = [(found[name], port, per_second, says, stays, over) for name, port in ports.items()]
    threads = [threading.Thread(target=_connect, args=one) for one in clients]
    threads.append(threading.Thread(target=_look, args=(found, kfw, over)))
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE + 5)


def _connect(
    found: Load, port: int, per_second: float, says: bytes, stays: bool, over: threading.Event
) -> None:
    running: list[threading.Thread] = []
    while not over.wait(1 / per_second):
        one = Try(time.monotonic())
        found.tries.append(one)
        stay = STAY if stays and len(running) % 2 else 0.0
        running.append(threading.Thread(target=_try, args=(one, port, says, stay)))
        running[-1].start()
    for thread in running:
        thread.join(PATIENCE + 5)


def _try(one: Try, port: int, says: bytes, stay: float) -> None:
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.settimeout(PATIENCE)
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(says)
            _told(one, "answered" if connection.recv(65536) else "lost")
            one.broke = one.how == "answered" and stay > 0 and not _stands(connection, stay)
    except ConnectionRefusedError:
        _told(one, "refused")
    except TimeoutError:
        _told(one, "late")
    except OSError:
        _told(one, "lost")


def _told(one: Try, how: str) -> None:
    one.ended, one.how = time.monotonic(), how


def _stands(connection: socket.socket, seconds: float) -> bool:
    """The other side does not end it."""
    deadline = time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(65536):
                return False
    except TimeoutError:
        return True
    except OSError:
        return False
    return True


def _look(found: Mapping[str, Load], kfw: Program, over: threading.Event) -> None:
    while not over.wait(0.02):
        with suppress(OSError):
            now, rows = time.monotonic(), kfw.rows()
            for name, one in found.items():
                one.seen.append((now, rows.get(name, {})))


def until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False
