"""A probe that proves the app's side: what ends connections is learned, and expected from then on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from kfw.errors import KfwError
from kfw.methods import probe as probing
from kfw.methods.eof_behaviour import LEAST, LONGEST, REMEMBERED, EofBehaviour
from kfw.methods.probe import Prober, Unanswered
from kfw.model import Health
from tests.relay.world import Talk, app, echo
from tests.stopwatch import Stopwatch
from tests.until import until

TCP = Health(type="tcp", timeout=5)


def known(seconds: float = 0.0) -> EofBehaviour:
    eof_behaviour = EofBehaviour()
    eof_behaviour.answered(seconds)
    return eof_behaviour


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes a connection and never looks at it, like an app that hangs."""
    await asyncio.Event().wait()


async def ends_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await asyncio.sleep(0.3)


async def speaks_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello\n")
    await reader.read()


async def resets_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.transport.abort()


@asynccontextmanager
async def prober(
    talk: Talk, eof_behaviour: EofBehaviour, health: Health = TCP
) -> AsyncIterator[tuple[Prober, Talk]]:
    async with app(talk) as far:
        one = Prober(health, eof_behaviour)
        try:
            yield one, far.dialer.dial  # type: ignore[misc]
        finally:
            one.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("talk", [echo, ends_late, speaks_first, resets_at_the_end])
async def test_a_plain_probe_learns_without_waiting_that_the_far_side_ends_what_we_end(talk: Talk) -> None:
    eof_behaviour = EofBehaviour()
    async with prober(talk, eof_behaviour) as (one, dial):
        watch = Stopwatch()
        await one.probe(dial)  # type: ignore[arg-type]
        assert watch.seconds() < probing.SETTLE_SECONDS + 0.15
        await until(lambda: eof_behaviour.known and not one.leaving)


@pytest.mark.asyncio
async def test_of_an_app_that_never_ended_anything_silence_says_nothing() -> None:
    eof_behaviour = EofBehaviour()
    async with prober(deaf, eof_behaviour) as (one, dial):
        await one.probe(dial)  # type: ignore[arg-type]
        for _ in range(3):
            await one.prove(dial, soon=True)  # type: ignore[arg-type]
        assert not eof_behaviour.known
        assert one.leaving == 4


@pytest.mark.asyncio
async def test_one_that_did_and_does_not_any_more_is_not_well_within_a_second_and_a_half() -> None:
    async with prober(deaf, known(0.01)) as (one, dial):
        watch = Stopwatch()
        with pytest.raises(Unanswered, match="no answer within 1 s"):
            await one.prove(dial, soon=True)  # type: ignore[arg-type]
        assert watch.seconds() < LEAST + 0.5


@pytest.mark.asyncio
async def test_an_answer_that_comes_too_late_is_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kfw.methods.eof_behaviour.LEAST", 0.1)
    eof_behaviour = known()
    async with prober(ends_late, eof_behaviour) as (one, dial):
        with pytest.raises(Unanswered):
            await one.prove(dial, soon=True)  # type: ignore[arg-type]
        await until(lambda: eof_behaviour.patience > 0.3)
        await one.prove(dial, soon=True)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_http_gets_as_long_as_it_took_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kfw.methods.eof_behaviour.LEAST", 0.1)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.3)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async with prober(slow, EofBehaviour(), Health(type="http", timeout=5)) as (one, dial):
        with pytest.raises(KfwError):
            await one.prove(dial, soon=True)  # type: ignore[arg-type]
        await one.prove(dial, soon=False)  # type: ignore[arg-type]
        await one.prove(dial, soon=True)  # type: ignore[arg-type]


def test_only_the_last_answers_count_and_none_that_came_by_chance() -> None:
    eof_behaviour = known(5.0)
    for _ in range(REMEMBERED):
        eof_behaviour.answered(0.0)
    assert eof_behaviour.patience == LEAST
    eof_behaviour.answered(LONGEST + 1)
    assert eof_behaviour.patience == LEAST
    eof_behaviour.forget()
    assert not eof_behaviour.known


def test_one_answer_that_was_late_does_not_make_the_next_look_slow() -> None:
    eof_behaviour = EofBehaviour()
    for seconds in (1.0, 1.0, 4.0, 1.0, 1.0):
        eof_behaviour.answered(seconds)
    assert eof_behaviour.patience < 1.5


def test_an_app_that_takes_its_time_is_given_it() -> None:
    eof_behaviour = EofBehaviour()
    for seconds in (2.9, 3.0, 3.1, 1.0):
        eof_behaviour.answered(seconds)
    assert eof_behaviour.patience > 3.5


def test_of_one_that_is_as_quick_each_time_a_late_answer_is_soon_known_to_be_late() -> None:
    """The time to it is told as `active`: containerd ends a connection 1 s after its client."""
    eof_behaviour = EofBehaviour()
    for seconds in (1.0, 1.01, 1.05, 1.02, 1.5):
        eof_behaviour.answered(seconds)
    assert 1.1 < eof_behaviour.patience < 1.2
