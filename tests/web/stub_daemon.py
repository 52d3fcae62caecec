"""The real site and HTTP server before a stub API, which has as many forwards as a test wants, with any words in them."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

from kfw.http.messages import Request, Response
from kfw.http.server import HttpServer
from kfw.system.local_ports import bind
from kfw.web.site import Site
from tests.client.fake_daemon import row
from tests.loop_thread import loop_thread

_PATIENCE = 30.0


def forward(name: str, status: str = "active", epoch: int = 1, **more: Any) -> dict[str, Any]:
    return row(name, status, epoch=epoch, startedAt="2026-11-21T07:00:00.000Z", **more)


class StubDaemon:
    """`say` tells all pages of a change, `cut` ends their streams."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = {one["name"]: one for one in rows}
        self.clusters: list[dict[str, Any]] = []
        self.seq = 0
        self.listed = 0
        self.port = 0
        self._loop: asyncio.AbstractEventLoop
        self._told: list[tuple[int, bytes]] = []
        self._followers: set[asyncio.Queue[bytes | None]] = set()

    def link(self) -> str:
        return f"http://127.0.0.1:{self.port}/#token={self.site.logins.token()}"

    def say(self, one: dict[str, Any], kind: str = "status", *, missed: int = 0) -> None:
        """`missed`: as many events before it are not told."""
        self._loop.call_soon_threadsafe(self._say, one, kind, missed)

    def cut(self) -> None:
        """Once there is a stream."""
        deadline = time.monotonic() + _PATIENCE
        while not self._followers and time.monotonic() < deadline:
            time.sleep(0.01)
        self._loop.call_soon_threadsafe(lambda: [queue.put_nowait(None) for queue in self._followers])

    def _say(self, one: dict[str, Any], kind: str, missed: int) -> None:
        self.seq += 1 + missed
        if kind == "removed":
            self.rows.pop(one["name"], None)
        elif self.rows.get(one["name"], one)["epoch"] <= one["epoch"]:
            self.rows[one["name"]] = one
        event: dict[str, Any] = {
            "seq": self.seq,
            "time": "",
            "type": kind,
            "name": one["name"],
            "forward": one,
        }
        data = b"data: %s\n\n" % json.dumps(event).encode()
        self._told.append((self.seq, data))
        for queue in self._followers:
            queue.put_nowait(data)

    async def _api(self, request: Request) -> Response:
        if request.path == "/v1/status":
            self.listed += 1
            daemon = {"version": "0.1.0", "pid": 1, "warnings": []}
            return _json({"daemon": daemon, "forwards": list(self.rows.values()), "seq": self.seq})
        if request.path == "/v1/events":
            return Response(content_type="text/event-stream", body=self._stream(int(request.query["since"])))
        if request.path == "/v1/clusters":
            return _json({"clusters": self.clusters})
        return Response(409, b'{"what": "a stub does not do that", "fix": ""}')

    async def _stream(self, since: int) -> AsyncGenerator[bytes, None]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for seq, data in self._told:
            if seq > since:
                queue.put_nowait(data)
        self._followers.add(queue)
        try:
            yield b": connected\n\n"
            while data := await queue.get():
                yield data
        finally:
            self._followers.discard(queue)

    async def _serve(self) -> HttpServer:
        sockets, self.port = bind(("127.0.0.1",), 0)
        self.site = Site(self._api, self.port)
        server = HttpServer(self.site.answer, name="stub web")
        server.listen(sockets[0])
        return server

    @contextmanager
    def serving(self) -> Iterator["StubDaemon"]:
        with loop_thread("stub daemon") as beside:
            self._loop = beside.loop
            server = beside.run(self._serve())
            try:
                yield self
            finally:
                beside.run(server.close(0))


def _json(value: Any) -> Response:
    return Response(200, json.dumps(value).encode())
