"""Real bytes on a real unix socket: what a client may send, and what comes back."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kfw.daemon.server import MAX_BODY, Reply, Request, Server
from kfw.errors import KfwError

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Path]:
    async def answer(request: Request) -> Reply:
        if request.path == "/stream":
            return Reply(content_type=b"text/event-stream", stream=ticks())
        body = {"path": request.path, "query": request.query, "length": len(request.body)}
        return Reply(body=json.dumps(body).encode())

    async def ticks() -> AsyncIterator[bytes]:
        for number in range(1000):
            yield b"data: %d\n\n" % number
            await asyncio.sleep(0.01)

    server = Server(folder / "s", answer)
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
        await Server(tmp_path / ("x" * 120), None).start()  # type: ignore[arg-type]


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
        writer.write(b"POST / HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY * 2))
        writer.write(b"x" * (MAX_BODY + 100_000))
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
