"""People who keep a connection: each says a word every so often, waits for its echo, and connects again when it is lost."""

import socket
import threading
import time
from dataclasses import dataclass

from tests.real import talk


@dataclass(frozen=True)
class Loss:
    """`client`: "127.0.0.1:51234", as kfw names it; "" if it was not even accepted. `waited`: seconds for the last word."""

    client: str
    how: str  # reset, closed, silent, refused
    waited: float


class Talkers:
    """A context manager. `patience`: seconds that one waits for an echo."""

    def __init__(self, port: int, count: int, *, patience: float) -> None:
        self.losses: list[Loss] = []
        self.words = 0
        self._port = port
        self._patience = patience
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._go_on) for _ in range(count)]

    def __enter__(self) -> "Talkers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _go_on(self) -> None:
        while not self._over.is_set():
            client, asked = "", time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", self._port), self._patience) as connection:
                    client = "{}:{}".format(*connection.getsockname())
                    while not self._over.wait(0.2):
                        asked = time.monotonic()
                        if not talk.answered(connection, b"word"):
                            raise EOFError
                        self.words += 1
            except (OSError, EOFError) as error:
                self.losses.append(Loss(client, _how(error), time.monotonic() - asked))


def _how(error: Exception) -> str:
    match error:
        case EOFError():
            return "closed"
        case TimeoutError():
            return "silent"
        case ConnectionRefusedError():
            return "refused"
    return "reset"
