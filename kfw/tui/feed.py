"""The daemon's events, heard in a thread of its own: the whole list first, then each change, and again after a gap."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from kfw import client
from kfw.client.control_http import ControlConnection
from kfw.errors import KfwError

#: Seconds until it is tried again. A daemon that restarts is back within one.
_PAUSE = 0.3
#: Seconds for which a sample may be late. After that the daemon hangs, or is stopped, and is asked again.
_SILENCE = 10.0


class Synced(NamedTuple):
    """A StatusReply: what there is now, whatever was said before."""

    reply: dict[str, Any]


class Changed(NamedTuple):
    """An Event."""

    event: dict[str, Any]


class Lost(NamedTuple):
    """Nobody answers."""

    error: KfwError


News = Synced | Changed | Lost


class Feed:
    """`on_news` is called in its thread, once until `take` has fetched what came."""

    def __init__(self, on_news: Callable[[], object], interval: float) -> None:
        """`interval`: seconds between two samples of what goes through."""
        self._interval = interval
        self._on_news = on_news
        self._news: deque[News] = deque()
        self._told = False
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._connection: ControlConnection | None = None
        # What it waits for is a socket: a program that ends does not wait for it.
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if connection := self._connection:
            connection.shut()
        if self._thread.is_alive():
            self._thread.join(2)

    def take(self) -> list[News]:
        """What came since the last call, in order."""
        with self._lock:
            news, self._told = list(self._news), False
            self._news.clear()
        return news

    def _run(self) -> None:
        said = ""
        while not self._closed.is_set():
            try:
                self._follow()
                said = ""
            except KfwError as error:
                if error.what != said:
                    self._tell(Lost(error))
                said = error.what
            self._closed.wait(_PAUSE)

    def _follow(self) -> None:
        """Subscribed before it asks what there is, so that nothing is missed between the two."""
        for event in client.follow(traffic=self._interval, on_open=self._on_open):
            self._tell(Changed(msgspec.to_builtins(event)))
            if event.type == "traffic" and self._connection:
                self._connection.wait(self._interval + _SILENCE)

    def _on_open(self, connection: ControlConnection) -> None:
        self._connection = connection
        self._tell(Synced(msgspec.to_builtins(client.status())))

    def _tell(self, news: News) -> None:
        if self._closed.is_set():
            return
        with self._lock:
            if isinstance(news, Synced):
                self._news.clear()  # it says all of it
            self._news.append(news)
            tell, self._told = not self._told, True
        if tell:
            self._on_news()
