import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kfw.sandbox.load_test import PAUSE, ProvedPort, Remote, trial
from kfw.sandbox.sandbox import Sandbox
from tests.fakes import FakeClock
from tests.stream_server import streams

pytestmark = pytest.mark.asyncio


class PassesInPauses(FakeClock):
    """Time passes while the one client pauses, so a slow machine counts as many connections as a fast one."""

    async def sleep(self, seconds: float) -> None:
        if seconds == PAUSE:
            await self.advance(seconds)
        else:
            await super().sleep(seconds)


@asynccontextmanager
async def served(answer: bytes, *, closing: bool = True) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if not closing:
            await reader.read()

    async with streams(serve) as server:
        yield server.port


async def nobody() -> str:
    return "pod"


async def test_right_answers_are_counted_and_timed() -> None:
    async with served(b'HTTP/1.1 200 OK\r\n\r\n{"says": "me"}') as port:
        clock = PassesInPauses()
        result = await trial([ProvedPort("a", port, "me")], nobody, seconds=0.105, every=0.04, clock=clock)
    assert result.connections == len(result.seconds) == 11
    assert result.failures == []
    assert result.ended == ["pod", "pod"]
    assert 0 < result.median <= result.slowest < 1


async def test_an_answer_of_known_length_need_not_end_with_its_connection() -> None:
    async with served(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"says": "me"}', closing=False) as port:
        result = await trial([ProvedPort("a", port, "me")], nobody, seconds=0.05, every=1)
    assert result.failures == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 503 no\r\n\r\n", "a: it answers b'HTTP/1.1 503 no'"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"says": "another"}', "a: it is 'another'"),
        (b"", "a: it answers b''"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "a: its answer is cut off"),
    ],
)
async def test_wrong_answers_are_failures(answer: bytes, why: str) -> None:
    async with served(answer) as port:
        result = await trial([ProvedPort("a", port, "me")], nobody, seconds=0.03, every=1)
    assert set(result.failures) == {why}
    assert result.seconds == []


async def test_a_refused_connection_is_a_failure_too() -> None:
    async with served(b"") as port:
        pass
    result = await trial([ProvedPort("a", port, "me")], nobody, seconds=0.03, every=1)
    assert "Connect call failed" in result.failures[0]


async def test_the_remote_hand_ends_pods_of_a_running_sandbox(sandbox: Sandbox) -> None:
    remote = Remote(sandbox.url, sandbox.directory)
    before = await asyncio.to_thread(remote.ready_pods, "demo", "web")
    assert len(before) == 2
    await asyncio.to_thread(remote.delete_pod, "demo", before[0])
    await sandbox.until(
        lambda: before[0] not in [pod["metadata"]["name"] for pod in sandbox.pods("demo", "web")]
    )
    await sandbox.settled()
