"""The end-to-end check that all methods share: a listening port proves nothing, so talk to what is behind it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from kfw.errors import KfwError, Shortage
from kfw.model import Health, Reason
from kfw.relay.dial import DialFailed, RefusedByApp
from kfw.relay.tcp import in_words
from kfw.system.limits import Use, opens_for

#: So long a far side must stand a connection before it counts: a proxy whose pod is gone closes within milliseconds.
SETTLE_SECONDS = 0.15

_STATUS_LINE = b"HTTP/"

Connect = Callable[[Callable[[], asyncio.Protocol]], Awaitable[asyncio.Transport]]


async def probe(connect: Connect, health: Health) -> None:
    """Raises KfwError(reason="unhealthy") unless what `connect` reaches is alive by `health` (timeout in seconds);
    `app-refuses` when nothing listens there; Shortage where no file may be opened for it.

    tcp: it does not close or reset a new connection at once; silence is fine, as many servers wait for the client.
    http: it answers a GET with a status line, whichever status. none: a connection can be made.
    """
    visitor = _Visitor()
    try:
        async with asyncio.timeout(health.timeout):
            with opens_for(Use.UPKEEP):
                await connect(lambda: visitor)
            await _examine(visitor, health)
    except DialFailed as failed:
        if failed.short:
            raise Shortage(f"cannot be asked: {failed.why}") from failed
        raise (_refused if failed.refused else _unhealthy)(failed.why) from failed
    except TimeoutError as late:
        raise _unhealthy(f"no answer within {health.timeout:g} s") from late
    finally:
        visitor.leave()


async def _examine(visitor: "_Visitor", health: Health) -> None:
    match health.type:
        case "http":
            await _http(visitor, health.path)
        case "tcp":
            await _tcp(visitor, min(SETTLE_SECONDS, health.timeout / 2))


async def _tcp(visitor: "_Visitor", seconds: float) -> None:
    """It must stand for so long where it is now: one that was refused there may be on its way elsewhere."""
    now = asyncio.get_running_loop().time
    began = now()
    while not (visitor.ended or visitor.bytes):
        placed_at = visitor.placed_at(began)
        left = seconds if placed_at is None else placed_at + seconds - now()
        if left <= 0:
            break
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await visitor.heard(1)
    if visitor.ended and not visitor.bytes:
        raise (_refused if visitor.refused else _unhealthy)(visitor.ended)


async def _http(visitor: "_Visitor", path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kfw\r\nConnection: close\r\n\r\n"
    visitor.say(request.encode("ascii", "replace"))
    await visitor.heard(len(_STATUS_LINE))
    if visitor.refused:
        raise _refused(visitor.ended)
    if not visitor.bytes:
        raise _unhealthy(f"no answer to GET {path}: {visitor.ended}")
    if not visitor.bytes.startswith(_STATUS_LINE):
        raise _unhealthy(f"answered GET {path}, but not in HTTP: {visitor.bytes[:40]!r}")


def _unhealthy(what: str) -> KfwError:
    return KfwError(what, reason="unhealthy")


def _refused(what: str) -> KfwError:
    return KfwError(what, reason=Reason.APP_REFUSES)


class _Visitor(asyncio.Protocol):
    """Connects, hears the first bytes or the end, and leaves politely."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.bytes = b""
        self.ended = ""  # how, in words
        self.refused = False  # by everybody who could have taken it
        self._news = asyncio.Event()

    async def heard(self, enough: int) -> None:
        """Wait until so many bytes are there, or the far side has said all."""
        while len(self.bytes) < enough and not self.ended:
            self._news.clear()
            await self._news.wait()

    def placed_at(self, began: float) -> float | None:
        """Since when it is where it is, by the loop's time; None: nowhere for now. `began`: of transports without a say."""
        if self.transport is None:
            return began
        found: float | None = self.transport.get_extra_info("placed_at", began)
        return found

    def say(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def leave(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if len(self.bytes) < len(_STATUS_LINE):
            self.bytes += data
        self._news.set()

    def eof_received(self) -> None:
        self._end("closed at once")

    def connection_lost(self, exc: Exception | None) -> None:
        self.refused = isinstance(exc, RefusedByApp) and not self.ended
        self._end(in_words(exc) if isinstance(exc, OSError) else "closed at once")

    def _end(self, how: str) -> None:
        self.ended = self.ended or how
        self._news.set()
