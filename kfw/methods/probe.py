"""The end-to-end check that all methods share: a listening port proves nothing, so talk to what is behind it."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import cast

from kfw.errors import KfwError, Shortage
from kfw.methods import app_health
from kfw.methods.app_health import Question, question_of
from kfw.methods.eof_behaviour import LONGEST, EofBehaviour
from kfw.methods.own_port import Connect as Connect
from kfw.methods.own_port import own_port
from kfw.model import Health, Reason
from kfw.relay.dialer import DialFailed, RefusedByApp, in_words
from kfw.system.open_files import OpensFor, Use

#: So long a far side must stand a connection before it counts: a proxy whose pod is gone closes within milliseconds.
SETTLE_SECONDS = 0.15
#: Seconds by which a look comes late on a machine that is too busy.
_LATE = 0.03
#: The same where there is no time, and more is asked of it afterwards.
SETTLE_SHORT = 0.1


class Unanswered(KfwError):
    """The connection was taken, and nothing came back by it: what is behind may hang."""


async def probe(connect: Connect, health: Health, environ: Mapping[str, str] | None = None) -> None:
    """Raises KfwError(reason="unhealthy") unless what `connect` reaches is alive by `health` (timeout in seconds);
    `app-refuses` when nothing listens there; Shortage where no file may be opened for it.

    tcp: it does not close or reset a new connection at once; silence is fine, as many servers wait for the client.
    http: it answers a GET with one of the statuses. grpc, exec: see app_health. none: a connection can be made.
    """
    await Prober(health, EofBehaviour(), environ).probe(connect, learn=False)


async def error_of(probing: Awaitable[None]) -> KfwError | None:
    """How a probe has failed; None: it has not. Raises Shortage."""
    try:
        await probing
    except Shortage:
        raise
    except KfwError as error:
        return error
    return None


class Prober:
    """Probes by `health`, and learns by the way how the far side answers the end of a connection: `eof_behaviour`.
    `environ`: that of whoever wants the forward, for a command; None is this process's own."""

    def __init__(
        self, health: Health, eof_behaviour: EofBehaviour, environ: Mapping[str, str] | None = None
    ) -> None:
        self.health = health
        self._question = question_of(health)
        self._environ = os.environ if environ is None else environ
        self.eof_behaviour = eof_behaviour
        self._leaving: set[_Visitor] = set()

    async def probe(self, connect: Connect, *, learn: bool = True) -> None:
        """See `probe`."""
        if self._question:
            await self._put(self._question, connect, self.health.timeout)
            return
        visitor = _Visitor()
        await self._visit(visitor, connect, self.health.timeout, SETTLE_SECONDS)
        if learn and self.health.type == "tcp":
            self._leave(visitor)
        else:
            visitor.leave()

    async def prove(self, connect: Connect, *, soon: bool) -> None:
        """That what is behind the connection answers, not only that something takes it.

        tcp: the far side must end the connection after us, if it is known to do so. `soon`: as fast as it is known to be,
        else within the time-out. Raises KfwError; Unanswered when the connection was taken and that was all.
        """
        seconds = self._patience(soon=soon) + SETTLE_SHORT
        if self._question:
            await self._put(self._question, connect, seconds)
            return
        visitor = _Visitor()
        await self._visit(visitor, connect, seconds, SETTLE_SHORT)
        if self.health.type != "tcp":
            visitor.leave()
            return
        known, patience = (
            self.eof_behaviour.known,
            self._patience(soon=soon),
        )  # as of now: another probe may have learned it
        self._leave(visitor)
        if known and not await visitor.ends_within(patience):
            raise _unanswered(patience)

    def _patience(self, *, soon: bool) -> float:
        """The time-out is for an answer of the app; how long the end of a connection takes is not the user's to say."""
        return self.eof_behaviour.patience if soon else max(self.health.timeout, self.eof_behaviour.patience)

    @property
    def leaving(self) -> int:
        """Connections of probes that are not over yet."""
        return len(self._leaving)

    def close(self) -> None:
        """Learn nothing more."""
        for visitor in tuple(self._leaving):
            visitor.leave()

    async def _put(self, question: Question, connect: Connect, seconds: float) -> None:
        """By a port of its own. Raises as `probe` does: that nothing came through explains more than what was made of it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with own_port(connect) as port:
            try:
                async with asyncio.timeout(seconds):
                    await question(port.number, self.health, self._environ)
            except TimeoutError as error:
                raise _dial_error(port.failure) if port.failure else _unanswered(seconds) from error
            except KfwError as error:
                if port.failure and error.reason == Reason.UNHEALTHY:
                    raise _dial_error(port.failure) from error
                raise
        self.eof_behaviour.answered(loop.time() - began)

    async def _visit(self, visitor: "_Visitor", connect: Connect, seconds: float, settle: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(seconds):
                with OpensFor(Use.UPKEEP):
                    await connect(lambda: visitor)
                await _examine(visitor, self.health, settle)
        except BaseException as error:
            visitor.leave()
            if isinstance(error, DialFailed):
                raise _dial_error(error) from error
            if isinstance(error, TimeoutError):
                raise _unanswered(seconds, taken=visitor.transport is not None) from error
            raise
        if self.health.type == "http":
            self.eof_behaviour.answered(loop.time() - began)

    def _leave(self, visitor: "_Visitor") -> None:
        """Nobody waits for it: it says that this was all, and sees for a while how the far side takes that."""
        self._leaving.add(visitor)
        visitor.leave_and_learn(self.eof_behaviour, lambda: self._leaving.discard(visitor))


async def _examine(visitor: "_Visitor", health: Health, settle: float) -> None:
    match health.type:
        case "http":
            await _http(visitor, health)
        case "tcp":
            await _tcp(visitor, min(settle, health.timeout / 2))


async def _tcp(visitor: "_Visitor", seconds: float) -> None:
    """It must stand for so long where it is now: one that was refused there may be on its way elsewhere. On a machine that
    is too busy to look in time the far side is, too: it gets that time once more."""
    now = asyncio.get_running_loop().time
    began, settle, more = now(), seconds, 3
    while not (visitor.ended or visitor.bytes):
        placed_at = visitor.placed_at(began)
        left = seconds if placed_at is None else placed_at + seconds - now()
        if left <= 0:
            if left > -_LATE or more == 0:
                break
            seconds, left, more = seconds + settle - left, settle, more - 1
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await visitor.heard(1)
    if visitor.ended and not visitor.bytes:
        raise (_refused if visitor.refused else _unhealthy)(visitor.ended)


async def _http(visitor: "_Visitor", health: Health) -> None:
    visitor.say(app_health.request_of(health))
    await visitor.heard(len(app_health.START))
    if visitor.bytes.startswith(app_health.START):  # else no more may come
        await visitor.heard(app_health.ENOUGH)
    if visitor.refused:
        raise _refused(visitor.ended)
    if fault := app_health.fault_of(visitor.bytes, visitor.ended, health):
        raise _unhealthy(fault)


def _unanswered(seconds: float, *, taken: bool = True) -> KfwError:
    what = f"no answer within {round(seconds, 1):g} s"
    return (Unanswered if taken else KfwError)(what, reason=Reason.UNHEALTHY)


def _dial_error(failed: DialFailed) -> KfwError:
    if failed.short:
        return Shortage(f"cannot be asked: {failed.why}")
    return (_refused if failed.refused else _unhealthy)(failed.why)


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
        self._learning: Callable[[], None] | None = None  # called when it ends

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
        self._stop_learning()

    def leave_and_learn(self, eof_behaviour: EofBehaviour, over: Callable[[], None]) -> None:
        """Say that this was all. `over` is called when the far side has ended it, or has not for long."""
        transport = self.transport
        if transport is None or self.ended or transport.is_closing() or not transport.can_write_eof():
            self.leave()
            over()
            return
        loop = asyncio.get_running_loop()
        left_at = loop.time()
        timer = loop.call_later(LONGEST, self.leave)

        def learned() -> None:
            timer.cancel()
            if self.ended:
                eof_behaviour.answered(loop.time() - left_at)
            over()

        self._learning = learned
        with suppress(OSError):  # it was reset in this moment, and we hear of that next
            transport.write_eof()

    async def ends_within(self, seconds: float) -> bool:
        """The far side ends the connection, or has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.ended:
                    self._news.clear()
                    await self._news.wait()
        return bool(self.ended)

    def _stop_learning(self) -> None:
        learning, self._learning = self._learning, None
        if learning is not None:
            learning()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if len(self.bytes) < app_health.ENOUGH:
            self.bytes += data
        self._news.set()

    def eof_received(self) -> None:
        self._end("closed at once")

    def connection_lost(self, exc: Exception | None) -> None:
        self.refused = isinstance(exc, RefusedByApp) and not self.ended
        self._end(in_words(exc) if isinstance(exc, OSError) else "closed at once")

    def _end(self, how: str) -> None:
        self.ended = self.ended or how
        self._stop_learning()
        self._news.set()
