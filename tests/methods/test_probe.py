"""A probe talks to the far side: that something listens proves nothing."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace

import pytest

from kfw.errors import KfwError
from kfw.methods.probe import probe
from kfw.model import Health
from kfw.relay.dialer import TcpDialer
from tests.relay.world import LOCAL, Refusing, Talk, app, send_reset, silent_port
from tests.stopwatch import soon

pytestmark = pytest.mark.asyncio

TCP = Health(type="tcp", timeout=1)
HTTP = Health(type="http", timeout=1, path="/healthz")


async def said_of(talk: Talk, health: Health) -> str | None:
    """The error's words, or None for a healthy far side."""
    async with app(talk) as far:
        try:
            await probe(far.dialer.dial, health)
        except KfwError as error:
            assert error.reason == "unhealthy"
            return error.what
        finally:
            await asyncio.sleep(0.01)
    return None


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pass


async def hears_and_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    send_reset(writer)


async def greets_and_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"421 too many connections")


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_far_side_that_says_nothing_is_healthy_as_it_waits_for_the_client() -> None:
    assert await said_of(says_nothing, TCP) is None


async def test_a_far_side_that_speaks_first_is_healthy_also_if_it_closes_then() -> None:
    assert await said_of(greets_and_closes, TCP) is None


async def test_A37_a_far_side_that_closes_at_once_is_not_healthy() -> None:
    assert await said_of(closes, TCP) == "closed at once"


async def test_A37_a_far_side_that_resets_is_not_healthy() -> None:
    assert await said_of(resets, TCP) == "connection reset by peer"


@pytest.mark.parametrize("health", [TCP, HTTP, Health(type="none")], ids=lambda health: str(health.type))
async def test_a_refused_connection_is_not_healthy_whatever_is_asked_for(health: Health) -> None:
    with pytest.raises(KfwError, match="connection refused") as raised:
        await probe(Refusing(1, why="connection refused").dial, health)
    assert raised.value.reason == "unhealthy"


async def test_a_far_side_that_does_not_take_the_connection_is_given_up_after_the_timeout() -> None:
    with ExitStack() as stack:
        dialer = TcpDialer(LOCAL, silent_port(stack))
        with pytest.raises(KfwError, match=r"^no answer within 0.1 s$"):
            await probe(dialer.dial, Health(type="tcp", timeout=0.1))


async def test_type_none_is_content_with_a_connection() -> None:
    assert await said_of(closes, Health(type="none")) is None


def answers(status: bytes, requests: list[bytes]) -> Talk:
    """In pieces."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(status[:3])
        await asyncio.sleep(0.02)
        writer.write(status[3:] + b"\r\n\r\n")

    return talk


GOOD = [b"HTTP/1.1 200 OK", b"HTTP/1.0 204", b"HTTP/1.1 301 x", b"HTTP/1.1 399 x", b"HTTP/1.1 299 x"]
BAD = [b"HTTP/1.1 404 Not Found", b"HTTP/1.0 500 x", b"HTTP/1.1 503 x", b"HTTP/1.1 199 x", b"HTTP/1.1 400"]


@pytest.mark.parametrize("status", GOOD)
async def test_FR_CONN_06_http_is_healthy_with_a_2xx_and_a_3xx(status: bytes) -> None:
    requests: list[bytes] = []
    assert await said_of(answers(status, requests), HTTP) is None
    assert requests[0].startswith(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    assert b"Connection: close\r\n" in requests[0]


@pytest.mark.parametrize("status", BAD)
async def test_FR_CONN_06_http_is_not_healthy_with_any_other_status(status: bytes) -> None:
    said = await said_of(answers(status, []), HTTP)
    assert said == f"answered GET /healthz with {status[9:12].decode()}, good are 2xx, 3xx"


@pytest.mark.parametrize(
    ("statuses", "status", "good"),
    [
        (("404",), b"404", True),
        (("404",), b"200", False),
        (("4xx", "200"), b"418", True),
        (("4xx", "200"), b"201", False),
        (("2xx",), b"302", False),
        (("5xx",), b"503", True),
    ],
)
async def test_which_statuses_are_good_can_be_said(
    statuses: tuple[str, ...], status: bytes, good: bool
) -> None:
    talk = answers(b"HTTP/1.1 " + status, [])
    assert (await said_of(talk, replace(HTTP, statuses=statuses)) is None) is good


async def test_headers_are_sent_and_win_over_those_that_kfw_sends_by_itself() -> None:
    requests: list[bytes] = []
    asked = replace(HTTP, headers=("host: shop.example", "Authorization: Bearer abc"))
    assert await said_of(answers(b"HTTP/1.1 200 OK", requests), asked) is None
    lines = requests[0].split(b"\r\n")
    assert b"Authorization: Bearer abc" in lines
    assert [line for line in lines if line.lower().startswith(b"host:")] == [b"host: shop.example"]


async def test_a_header_may_be_a_login_and_is_not_shown() -> None:
    assert "abc" not in repr(replace(HTTP, headers=("Authorization: Bearer abc",)))


async def test_http_that_is_closed_without_an_answer_is_not_healthy() -> None:
    assert await said_of(hears_and_closes, HTTP) == "no answer to GET /healthz: closed at once"


async def test_http_that_ends_within_its_status_line_is_not_healthy() -> None:
    async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 20")

    assert await said_of(breaks_off, HTTP) == "answered GET /healthz, but not in HTTP: b'HTTP/1.1 20'"


async def test_http_that_never_answers_is_not_healthy() -> None:
    assert await said_of(says_nothing, Health(type="http", timeout=0.1)) == "no answer within 0.1 s"


async def test_what_does_not_speak_http_is_shown() -> None:
    async def mysql(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"J\x00\x00\x00\n8.0.36")
        await reader.read()

    said = await said_of(mysql, HTTP)
    assert said == "answered GET /healthz, but not in HTTP: b'J\\x00\\x00\\x00\\n8.0.36'"


async def test_a_probe_leaves_when_it_is_given_up() -> None:
    left = asyncio.Event()

    async def until_it_leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()

    async with app(until_it_leaves) as far:
        probing = asyncio.create_task(probe(far.dialer.dial, Health(type="http", timeout=30)))
        await asyncio.sleep(0.05)
        probing.cancel()
        await soon(left.wait(), 1)
        assert far.visits == 1
