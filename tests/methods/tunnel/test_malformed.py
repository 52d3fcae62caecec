"""10,000 times nonsense from the far side, through real sockets, some inside TLS: one error each, and nothing stays."""

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from heapq import heapify
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kfw.errors import KfwError
from kfw.kube.api_server import ApiServer
from kfw.methods.tunnel.method import PodTunnel, log
from kfw.methods.tunnel.policy import Policy
from kfw.system.loop import rss_bytes
from kfw.wire import upgrade
from tests.kube import certificates
from tests.kube.test_api_server import serves
from tests.methods.tunnel import nonsense
from tests.methods.tunnel.far import App, Far, Visit, far_side
from tests.methods.tunnel.nonsense import Draw
from tests.methods.tunnel.test_transports import only
from tests.methods.tunnel.ways import Client, server, tunnel, until

#: On one loop: it is the codecs that are tried.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


def _counts(clear: int, encrypted: int) -> list[Any]:
    return [pytest.param(False, clear, id="in the clear"), pytest.param(True, encrypted, id="in TLS")]


#: For each of the two transports, and for HTTP. TLS costs three times as much.
FRAMES, ANSWERS = _counts(2700, 300), _counts(3600, 400)
#: The first of them fill caches, at most half of them: in a new process with 1000 blocks, 500 of them after the first 100,
#: 300 after the first 500.
WARM_UP = 500
#: Bytes that may stay, as the allocator gives none back: 2 KB of each that has come. And of Python's own blocks.
GROWTH, BLOCKS = 4 << 20, 500
#: Seconds in which nothing happens, and the processor time of them: a fifth of it.
REST, IDLE = 0.15, 0.03
#: Seconds for one of them, on a busy machine.
PATIENCE = 20

WAYS: dict[str, Draw] = {
    upgrade.SPDY: nonsense.spdy,
    upgrade.TUNNEL: nonsense.websocket,
}


class Talker(Client):
    """Its end can be awaited."""

    def __init__(self) -> None:
        super().__init__()
        self.over = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.over.done():
            self.over.set_result(None)


@pytest.fixture
def seed() -> int:
    """Another one each time: KFW_SEED=... plays one of them again."""
    return int(os.environ.get("KFW_SEED") or Random().randrange(1 << 32))


class Counting(logging.Handler):
    """Keeps nothing of what it hears."""

    resets = others = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("web: a connection is reset: "):
            self.resets += 1
        else:
            self.others += 1


@contextmanager
def counted() -> Iterator[Counting]:
    """What is logged, told to nobody else: pytest would keep each record, with the error in it."""
    before = log.handlers, log.propagate, log.level
    made = Counting()
    log.handlers, log.propagate = [made], False
    log.setLevel(logging.INFO)
    try:
        yield made
    finally:
        log.handlers, log.propagate = before[:2]
        log.setLevel(before[2])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("encrypted", "count"), FRAMES)
async def test_malformed_frames_end_one_connection_each_with_one_error(
    way: str, encrypted: bool, count: int, seed: int
) -> None:
    random, said = Random(seed), b""
    print(f"KFW_SEED={seed}")

    def spoil(visit: Visit) -> None:
        half = random.randrange(len(said))
        visit.tunnel.writer.write(said[:half])
        asyncio.get_running_loop().call_soon(visit.tunnel.writer.write, said[half:])

    async with far_side(serves("127.0.0.1") if encrypted else None, answers=only(way)) as far:
        async with tunnel(far, at=_trusting(far), policy=Policy(linger=0.01)) as opened:

            async def once() -> None:
                nonlocal said
                said = WAYS[way](random)
                lost = await _lost(opened)
                assert [type(error) for error in lost] == [ConnectionResetError], said.hex()
                assert "to pod web-1 broke: " in str(lost[0]), said.hex()

            far.apps["web-1"] = App(spoil)
            with counted() as heard:
                await _again_and_again(once, count, far)
            assert (heard.resets, heard.others) == (count, 0)
            assert not opened._broken.done()
            assert not opened.pool._streams
            await until(lambda: len(opened.pool.links) <= 1)


@pytest.mark.parametrize(("encrypted", "count"), ANSWERS)
async def test_what_is_no_answer_to_an_upgrade_is_one_error(encrypted: bool, count: int, seed: int) -> None:
    random = Random(seed)
    print(f"KFW_SEED={seed}")
    async with far_side(serves("127.0.0.1") if encrypted else None) as far:
        async with tunnel(far, at=_trusting(far)) as opened:

            async def once() -> None:
                far.says["bad"] = nonsense.HTTP(random)
                with pytest.raises(KfwError) as failed:
                    async with asyncio.timeout(PATIENCE):
                        await opened._dial_link("bad")
                assert 0 < len(failed.value.what) < 500, far.says["bad"]

            await _again_and_again(once, count, far)
            assert len(opened.pool.links) == 1


async def _again_and_again(once: Callable[[], Awaitable[None]], count: int, far: Far) -> None:
    """Without memory, descriptors or tasks that stay, without an error that nobody handles, and then with rest."""
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unhandled.append(context))
    before = _held()
    for number in range(count):
        if number == min(WARM_UP, count // 2):
            before = _held()
        await once()
        for kept in (far.tunnels, far.visits, far.asked):
            kept.clear()
    await asyncio.sleep(0.1)  # links end a moment after their last connection
    growth = [now - then for now, then in zip(_held(), before, strict=True)]
    assert all(one < most for one, most in zip(growth, (GROWTH, BLOCKS, 8, 8), strict=True)), growth
    assert unhandled == []
    assert min([await _spent() for _ in range(4)]) < IDLE  # memory is given back once, which takes a moment


async def _spent() -> float:
    """Seconds of processor time while nothing happens."""
    began = time.process_time()
    await asyncio.sleep(REST)
    return time.process_time() - began


def _held() -> tuple[int, int, int, int]:
    """Bytes, blocks, descriptors, tasks."""
    _forget_cancelled_timers()
    gc.collect()
    return (
        rss_bytes(),
        sys.getallocatedblocks(),
        len(list(Path("/dev/fd").iterdir())),
        len(asyncio.all_tasks()),
    )


def _forget_cancelled_timers() -> None:
    """asyncio keeps up to a hundred until they would be due."""
    loop: Any = asyncio.get_running_loop()
    loop._scheduled = [timer for timer in loop._scheduled if not timer.cancelled()]
    heapify(loop._scheduled)
    loop._timer_cancelled_count = 0


async def _lost(opened: PodTunnel) -> list[Exception | None]:
    one = Talker()
    async with asyncio.timeout(PATIENCE):
        await opened.dial(lambda: one)
        one.say(b"hello")
        await one.over
    return one.lost


def _trusting(far: Far) -> ApiServer:
    return server(far, ca=certificates.ca() if far.scheme == "https" else b"")
