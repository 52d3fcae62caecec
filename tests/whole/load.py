"""New connections all the time, and what the forward is said to be meanwhile: is `active` said while all of them fail?"""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
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
    """One connection: when it began and when it was known how it went, by time.monotonic()."""

    began: float
    ended: float = 0.0
    how: str = ""  # "" while it waits, "answered", "refused", "lost", "late"


@dataclass
class Load:
    tries: list[Try] = field(default_factory=list)
    seen: list[tuple[float, Row]] = field(default_factory=list)

    def lost(self) -> int:
        """Connections that were taken and ended without an answer."""
        return sum(one.how == "lost" for one in self.tries)

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
def load(
    kfw: Program,
    name: str,
    port: int,
    *,
    per_second: float = 20,
    says: bytes = GET,
    stays: bool = False,
) -> Iterator[Load]:
    """On `port`, while the status of `name` is looked at every 20 ms. `stays`: every other client does so for STAY."""
    over = threading.Event()
    found = Load()
    threads = [
        threading.Thread(target=_connect, args=(found, port, per_second, says, stays, over)),
        threading.Thread(target=_look, args=(found, kfw, name, over)),
    ]
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
    one.how = _how(port, says, stay)
    one.ended = time.monotonic()


def _how(port: int, says: bytes, stay: float) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.settimeout(PATIENCE)
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(says)
            if not connection.recv(65536):
                return "lost"
            return "answered" if not stay or _stands(connection, stay) else "lost"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "late"
    except OSError:
        return "lost"


def _stands(connection: socket.socket, seconds: float) -> bool:
    """The other side does not end it."""
    deadline = time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(65536):
                return False
    except TimeoutError:
        pass
    return True


def _look(found: Load, kfw: Program, name: str, over: threading.Event) -> None:
    while not over.wait(0.02):
        with suppress(OSError):
            found.seen.append((time.monotonic(), kfw.status(name)))


def until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False
