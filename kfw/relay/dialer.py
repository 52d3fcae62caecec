"""What the relay asks of a way: dial. What it gets: a transport, or a DialFailed that says whether the app got anything."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from kfw.errors import words_of
from kfw.system.keepalive import keep_alive
from kfw.system.open_files import OPEN_FILES, Use, is_shortage

CONNECT_SECONDS = 3.0


class DialFailed(Exception):
    """`safe`: the app provably got nothing, so the connection may be tried elsewhere. `why`: in the tool's own words.

    `refused`: each place that could take it refused, so nothing listens there, which is an answer. `short`: no file may be
    opened for it now, so it has not been tried at all.
    """

    def __init__(self, why: str, *, safe: bool, refused: bool = False, short: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.safe = safe
        self.refused = refused
        self.short = short


class RefusedByApp(ConnectionResetError):
    """How a transport ends that nobody took: `connection_lost` gets it. Its text says who refused."""


@runtime_checkable
class HearsRefusals(Protocol):
    """A protocol whose transport may be tried again by itself after everybody has refused it."""

    def on_refused(self, why: str) -> None:
        """Everybody has, once more; it is tried again for a while."""
        ...


@runtime_checkable
class ClosesByItself(Protocol):
    """A dialer whose way also closes connections that the app has not closed, so that a close is not the app's word."""

    @property
    def over_at(self) -> float | None:
        """When that way has ended, by the loop's time; None: it lives."""
        ...


class Dialer(Protocol):
    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """Open one connection to the endpoint, as `loop.create_connection` does: `factory()` gets the callbacks.

        The transport has write, write_eof, can_write_eof, pause_reading, resume_reading, close and abort.
        Raises DialFailed.
        """
        ...


class TcpDialer:
    """Always the same address, numeric. A refusal or silence proves that the app got nothing."""

    def __init__(self, address: str, port: int, *, timeout: float = CONNECT_SECONDS) -> None:
        self.address = address
        self.port = port
        self.timeout = timeout

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        try:
            sock = await connect(self.address, self.port, self.timeout)
        except OSError as error:
            why = f"{self.address}:{self.port}: {in_words(error)}"
            raise DialFailed(why, safe=True, short=is_shortage(error)) from error
        return await carry(sock, factory)


async def connect(address: str, port: int, timeout: float = CONNECT_SECONDS) -> socket.socket:
    """Raises OSError, also where there is no room for one more; TimeoutError, which is one, says after how many seconds."""
    OPEN_FILES.claim(Use.DIAL)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:  # with its protocol: asyncio sets TCP_NODELAY only then
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        if is_shortage(error):
            raise OPEN_FILES.refuse(Use.DIAL, error.errno or 0) from error
        raise
    try:
        sock.setblocking(False)
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except TimeoutError:
        sock.close()
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {timeout:g} s") from None
    except BaseException:
        sock.close()
        raise
    return sock


async def carry(sock: socket.socket, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
    """A transport on a connected socket. Raises DialFailed if it broke in that moment."""
    keep_alive(sock)
    try:
        transport, _ = await asyncio.get_running_loop().create_connection(factory, sock=sock)
    except OSError as error:
        sock.close()
        raise DialFailed(in_words(error), safe=True) from error
    return transport


def in_words(error: BaseException) -> str:
    """As the system says it, in lower case: `connection refused`, `no route to host`, `no answer within 3 s`."""
    text = words_of(error)
    return text[:1].lower() + text[1:]
