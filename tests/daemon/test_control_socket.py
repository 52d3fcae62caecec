"""Real bytes on a real unix socket: what a client may send, and what comes back."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from kfw.daemon.control_socket import ControlSocket
from kfw.errors import KfwError
from kfw.http.bounds import LIMITS, HttpLimits
from kfw.http.messages import Request, Response
from tests.until import until

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def serving(folder: Path, limits: HttpLimits = LIMITS) -> AsyncIterator[Path]:
    async def answer(request: Request) -> Response:
        if request.path == "/large":
            return Response(body=b"x" * 3_000_000)
        if request.path == "/stream":
            return Response(content_type="text/event-stream", body=ticks())
        body = {"path": request.path, "query": dict(request.query), "length": len(request.body)}
        return Response(body=json.dumps(body).encode())

    async def ticks() -> AsyncGenerator[bytes, None]:
        for number in range(1000):
            yield b"data: %d\n\n" % number
            await asyncio.sleep(0.01)

    server = ControlSocket(folder / "s", answer, limits)
    await server.start()
    try:
        yield folder / "s"
    finally:
        await server.close()


async def talk(path: Path, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(sent)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def test_two_requests_on_one_connection_are_answered_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        got = await talk(path, b"GET /a?x=1 HTTP/1.1\r\nHost: k\r\n\r\nGET /b HTTP/1.1\r\nHost: k\r\n\r\n")
        assert got.count(b"HTTP/1.1 200") == 2
        assert got.index(b'"/a"') < got.index(b'"/b"')
        assert b'{"x": "1"}' in got


async def test_the_socket_is_for_its_user_only_and_gone_after_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_a_leftover_socket_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    async with serving(tmp_path) as path:
        assert b"200" in await talk(path, b"GET / HTTP/1.1\r\nHost: k\r\n\r\n")


async def test_a_socket_path_that_the_system_cannot_take_is_said(tmp_path: Path) -> None:
    with pytest.raises(KfwError, match="longer than"):
        await ControlSocket(tmp_path / ("x" * 120), None).start()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: k\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
)
async def test_what_is_not_http_is_refused_and_the_next_one_is_served(tmp_path: Path, sent: bytes) -> None:
    async with serving(tmp_path) as path:
        answer = await talk(path, sent)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        assert b"200" in await talk(path, b"GET / HTTP/1.1\r\nHost: k\r\n\r\n")


async def test_a_body_without_end_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n" % (LIMITS.body * 2))
        writer.write(b"x" * (LIMITS.body + 100_000))
        assert b"413" in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


async def test_a_client_that_leaves_a_stream_is_noticed(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: k\r\n\r\n")
        assert b"200" in await reader.readline()
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(2):
            while [t for t in asyncio.all_tasks() if t.get_name() == "control stream"]:  # noqa: ASYNC110  nobody tells us
                await asyncio.sleep(0.01)


async def test_ten_clients_that_say_nothing_do_not_keep_others_waiting(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        idle = [await asyncio.open_unix_connection(path) for _ in range(10)]
        assert b"200" in await talk(path, b"GET / HTTP/1.1\r\nHost: k\r\n\r\n")
        for _, writer in idle:
            writer.close()


POST = b"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n"
PING = b"GET / HTTP/1.1\r\nHost: k\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "limits", "answer"),
    [
        (b"", HttpLimits(idle=0.2), b""),
        (b"GET / HT", HttpLimits(arrive=0.2), b""),
        (POST % 10 + b"12345", HttpLimits(arrive=0.2), b"HTTP/1.1 408 "),
        (PING + b"GET", HttpLimits(arrive=0.2, idle=0.2), b"HTTP/1.1 200 "),
        (b"GET /large HTTP/1.1\r\nHost: k\r\n\r\n", HttpLimits(write=0.2), b"HTTP/1.1 200 "),
        (b"GET /stream HTTP/1.1\r\nHost: k\r\n\r\n", HttpLimits(connections=1), b"HTTP/1.1 200 "),
    ],
    ids=[
        "nothing",
        "half a head",
        "half a body",
        "one and a half",
        "large and never read",
        "a stream, and no room",
    ],
)
async def test_who_is_too_slow_is_left(
    tmp_path: Path, sent: bytes, limits: HttpLimits, answer: bytes
) -> None:
    async with serving(tmp_path, limits) as path:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, str(path))
        if sent:
            await loop.sock_sendall(client, sent)
        await asyncio.sleep(0.1)  # it reads nothing meanwhile
        if limits.connections == 1:
            assert b"200" in await talk(path, PING)
        await until(lambda: not _connections(), 3)
        got = b""
        with suppress(ConnectionResetError):
            while data := await asyncio.wait_for(loop.sock_recv(client, 65536), 3):
                got += data
        client.close()
        assert got.startswith(answer) and len(got) < 1_000_000
        assert answer or not got  # who has asked nothing is not answered


def _connections() -> list[object]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "control connection"]


async def test_of_too_many_connections_the_longest_idle_goes_and_who_follows_stays(tmp_path: Path) -> None:
    async with serving(tmp_path, HttpLimits(connections=3)) as path:
        follower = await asyncio.open_unix_connection(path)
        follower[1].write(b"GET /stream HTTP/1.1\r\nHost: k\r\n\r\n")
        assert b"200" in await follower[0].readline()
        idle = [await asyncio.open_unix_connection(path) for _ in range(5)]
        assert b"200" in await talk(path, PING)
        for reader, _ in idle[:3]:
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(1), 3) == b""
        assert await asyncio.wait_for(follower[0].readuntil(b"data: 3"), 3)
        for _, writer in (follower, *idle):
            writer.close()


async def test_large_bodies_share_one_room_and_small_ones_need_none(tmp_path: Path) -> None:
    limits = HttpLimits(body=1_000_000, bodies=2_000_000, free=10_000)
    async with serving(tmp_path, limits) as path:
        large = [await asyncio.open_unix_connection(path) for _ in range(3)]
        for _, writer in large:
            writer.write(POST % 900_000 + b"x" * 800_000)
        answers = [asyncio.ensure_future(reader.readline()) for reader, _ in large]
        refused, _ = await asyncio.wait(answers, timeout=3, return_when=asyncio.FIRST_COMPLETED)
        assert [b"429" in answer.result() for answer in refused] == [True]
        assert b"200" in await talk(path, POST % 9_000 + b"x" * 9_000)
        for answer, (_, writer) in zip(answers, large, strict=True):
            if answer not in refused:
                writer.write(b"x" * 100_000)
        await asyncio.wait(answers, timeout=3)
        assert sorted(answer.result()[9:12] for answer in answers) == [b"200", b"200", b"429"]
        for _, writer in large:
            writer.transport.abort()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user to knock")
async def test_another_user_gets_no_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        for folder in (tmp_path, *tmp_path.parents):
            if str(folder).startswith("/tmp/"):
                folder.chmod(0o755)
        path.chmod(0o666)  # as if somebody had opened the door by hand
        knock = (
            "import os,socket,sys;os.setuid(65534);s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1])\n"
            "try:\n"
            " s.sendall(b'GET / HTTP/1.1\\r\\nHost: k\\r\\n\\r\\n')\n"
            " print(len(s.recv(100)))\n"
            "except OSError: print(0)"
        )
        process = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", "-c", knock, str(path), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert out.strip() == b"0"
