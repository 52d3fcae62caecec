"""The fake daemon with an event stream that goes on: what is said to it reaches whoever follows."""

import json
import socket
import threading
from contextlib import suppress
from typing import Any

from tests.client.fake_daemon import FakeDaemon, event


class LiveDaemon(FakeDaemon):
    def __init__(self, *arguments: Any) -> None:
        self._followers: list[socket.socket] = []
        self._ready = threading.Condition()
        self._seq = 0
        super().__init__(*arguments)

    def say(self, forward: dict[str, Any], kind: str = "status") -> None:
        """An event about it, which `GET /v1/status` knows as well."""
        others = [one for one in self.forwards if one["name"] != forward["name"]]
        place = next(
            (at for at, one in enumerate(self.forwards) if one["name"] == forward["name"]), len(others)
        )
        self.forwards = others if kind == "removed" else [*others[:place], forward, *others[place:]]
        self._seq += 1
        self.send(event(1, forward, kind) | {"seq": self._seq, "forward": forward})

    def send_status(self, forward: dict[str, Any]) -> None:
        """The event alone, for who sends many."""
        self._seq += 1
        self.send(event(1, forward) | {"seq": self._seq, "forward": forward})

    def send(self, value: dict[str, Any]) -> None:
        data = b"data: %s\n\n" % json.dumps(value).encode()
        with self._ready:
            for follower in list(self._followers):
                try:
                    follower.sendall(b"%x\r\n%s\r\n" % (len(data), data))
                except OSError:
                    self._followers.remove(follower)

    def wait_for_follower(self, limit: float = 10) -> None:
        with self._ready:
            assert self._ready.wait_for(lambda: bool(self._followers), limit)

    def drop_followers(self) -> None:
        """As a daemon that finds them too slow: the stream has an end, and what comes then is not heard."""
        with self._ready:
            for follower in self._followers:
                with suppress(OSError):  # it has left
                    follower.sendall(b"0\r\n\r\n")
                    follower.shutdown(socket.SHUT_RDWR)
            self._followers.clear()

    def close(self) -> None:
        self.drop_followers()
        super().close()

    def _answer(self, connection: socket.socket) -> None:
        first = connection.recv(65536, socket.MSG_PEEK)
        if b"follow=true" not in first.split(b"\r\n")[0]:
            super()._answer(connection)
            return
        connection.recv(65536)
        hello = b": connected\n\n"
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n%s\r\n" % (len(hello), hello))
        with self._ready:
            self._followers.append(connection)
            self._ready.notify_all()
        with suppress(OSError):  # it may end with a reset
            while connection.recv(1):
                pass
        with self._ready:
            if connection in self._followers:
                self._followers.remove(connection)
        connection.close()
