"""A test double of an API server's behaviour on the wire: lists, watches, errors, silence. It is not a Kubernetes: it
checks nothing that it is sent. (The sandbox is one; this one can be broken in every way that a wire can.)"""

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11
import msgspec

from tests.stream_server import StreamServer

Object = dict[str, Any]


class Request(msgspec.Struct):
    path: str
    query: dict[str, str]
    headers: dict[str, str]

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


class FakeApi:
    """`objects` by path and name; `put` and `delete` change them and tell the watches, with a new version each."""

    def __init__(self, tls: ssl.SSLContext | None = None, prefix: str = "") -> None:
        self.objects: dict[str, dict[str, Object]] = defaultdict(dict)
        self.answers: dict[str, deque[tuple[int, Any]]] = defaultdict(deque)  # used up before anything else
        self.forbidden: dict[str, str] = {}  # path -> words
        self.tokens: set[str] | None = None  # None: everybody may in
        self.requests: list[Request] = []
        self.connections = 0
        self.on_connection: Callable[[asyncio.StreamWriter], object] = lambda _: None
        self.version = 100
        self.oldest = 0  # watches from before it are Gone
        self.gone_in_stream = False
        self.frozen = asyncio.Event()  # set: nobody gets an answer
        self.host, self.port = "127.0.0.1", 0
        self._thawed = asyncio.Event()
        self._lost = set[asyncio.StreamWriter]()
        self._held: dict[str, asyncio.Event] = {}
        self._tls = tls
        self._prefix = prefix
        self._history: list[tuple[int, str, Object]] = []
        self._news = asyncio.Condition()
        self._server = StreamServer(self._serve)
        self._open = set[asyncio.StreamWriter]()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}{self._prefix}"

    def asked(self, path: str, *, watch: bool | None = None) -> list[Request]:
        return [r for r in self.requests if r.path == path and (watch is None or r.is_watch == watch)]

    # -- what happens in the cluster

    async def put(self, path: str, *objects: Object) -> None:
        for one in objects:
            name = one["metadata"]["name"]
            await self._record(path, "MODIFIED" if name in self.objects[path] else "ADDED", one)
            self.objects[path][name] = one

    async def delete(self, path: str, name: str) -> None:
        await self._record(path, "DELETED", self.objects[path].pop(name))

    async def bookmark(self, path: str) -> None:
        await self._record(path, "BOOKMARK", {"kind": "Pod", "metadata": {}, "spec": {"containers": None}})

    async def error(self, path: str, code: int, reason: str) -> None:
        """Into the open watches."""
        status = {"kind": "Status", "code": code, "reason": reason, "message": f"{reason} in the stream"}
        await self._record(path, "ERROR", status)

    async def _record(self, path: str, kind: str, one: Object) -> None:
        self.version += 1
        if kind != "ERROR":
            one = {**one, "metadata": {**one["metadata"], "resourceVersion": str(self.version)}}
        async with self._news:
            self._history.append((self.version, path, {"type": kind, "object": one}))
            self._news.notify_all()

    def compact(self) -> None:
        self.oldest = self.version + 1
        self.version += 1

    # -- what happens to the wire

    async def start(self) -> None:
        await self._server.start(self.host, self.port, self._tls)
        self.port = self._server.port

    async def stop(self) -> None:
        """Refuses connections, and resets those that there are."""
        await self._server.close()

    def drop(self) -> None:
        """Resets every connection."""
        self._server.break_off()

    def freeze(self) -> None:
        """From now on nothing is answered, and nothing sent into watches."""
        self.frozen.set()
        self._thawed.clear()

    def hold(self, path: str) -> None:
        """Answers to requests for it wait until `release`."""
        self._held[path] = asyncio.Event()

    def release(self, path: str) -> None:
        self._held.pop(path).set()

    def lose(self) -> None:
        """The connections of now are dead and nobody tells; new ones are fine. As after a change of network."""
        self._lost |= self._open

    def thaw(self) -> None:
        self.frozen.clear()
        self._thawed.set()

    # -- HTTP

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        self.connections += 1
        self.on_connection(writer)
        http = h11.Connection(h11.SERVER)
        try:
            while True:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    http.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Request):
                    await self._patience(writer)
                    await self._answer(_request(event, self._prefix), http, writer)
                elif event is h11.PAUSED:
                    http.start_next_cycle()
                elif isinstance(event, h11.ConnectionClosed):
                    return
        except (OSError, h11.ProtocolError):
            return
        finally:
            self._open.discard(writer)

    async def _patience(self, writer: asyncio.StreamWriter) -> None:
        if writer in self._lost:
            await asyncio.Event().wait()
        if self.frozen.is_set():
            await self._thawed.wait()

    async def _answer(self, request: Request, http: h11.Connection, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        path = request.path
        if path in self._held:
            await self._held[path].wait()
        if self.answers[path]:
            await _reply(http, writer, *self.answers[path].popleft())
        elif path == "/version":
            await _reply(http, writer, 200, {"gitVersion": "v1.34.4"})
        elif self.tokens is not None and request.token not in self.tokens:
            await _reply(http, writer, 401, status(401, "Unauthorized", "Unauthorized"))
        elif path in self.forbidden:
            await _reply(http, writer, 403, status(403, "Forbidden", self.forbidden[path]))
        elif request.is_watch:
            await self._watch(request, http, writer)
        elif path.startswith("/api/v1/namespaces/") and path.count("/") == 4:
            known = path.rpartition("/")[2] != "missing"
            await _reply(http, writer, 200 if known else 404, {})
        else:
            await _reply(http, writer, 200, self._list(request))

    def _list(self, request: Request) -> Object:
        names = sorted(self.objects[request.path])
        begin = int(request.query.get("continue", 0))
        end = begin + int(request.query.get("limit", len(names) or 1))
        meta = {"resourceVersion": str(self.version), "continue": str(end) if end < len(names) else ""}
        return {
            "kind": "List",
            "metadata": meta,
            "items": [self.objects[request.path][name] for name in names[begin:end]],
        }

    async def _watch(self, request: Request, http: h11.Connection, writer: asyncio.StreamWriter) -> None:
        since = int(request.query["resourceVersion"])
        if since < self.oldest and not self.gone_in_stream:
            await _reply(http, writer, 410, status(410, "Expired", "too old resource version"))
            return
        writer.write(
            http.send(h11.Response(status_code=200, headers=[("Transfer-Encoding", "chunked")])) or b""
        )
        await writer.drain()
        if since < self.oldest:
            line = {"type": "ERROR", "object": status(410, "Expired", "too old resource version")}
            writer.write(http.send(h11.Data(data=msgspec.json.encode(line) + b"\n")) or b"")
            writer.write(http.send(h11.EndOfMessage()) or b"")
            return
        async for line in self._lines(request.path, since, float(request.query["timeoutSeconds"])):
            await self._patience(writer)
            data = msgspec.json.encode(line) + b"\n"
            half = len(data) // 2  # in two pieces, as a network may cut it anywhere
            for piece in (data[:half], data[half:]):
                writer.write(http.send(h11.Data(data=piece)) or b"")
                await writer.drain()
            if line["type"] == "ERROR":
                break
        writer.write(http.send(h11.EndOfMessage()) or b"")
        await writer.drain()

    async def _lines(self, path: str, since: int, seconds: float) -> AsyncIterator[Object]:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    new = [(v, line) for v, where, line in self._history if where == path and v > since]
                    for version, line in new:
                        since = version
                        yield line
                    async with self._news:
                        if not any(where == path and v > since for v, where, _ in self._history):
                            await self._news.wait()


def status(code: int, reason: str, message: str) -> Object:
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


async def _reply(http: h11.Connection, writer: asyncio.StreamWriter, code: int, body: Any) -> None:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
    writer.write(http.send(h11.Response(status_code=code, headers=headers)) or b"")
    writer.write(http.send(h11.Data(data=data)) or b"")
    writer.write(http.send(h11.EndOfMessage()) or b"")
    await writer.drain()


def _request(event: h11.Request, prefix: str) -> Request:
    url = urlsplit(event.target.decode())
    assert url.path.startswith(prefix), f"{url.path} lacks the prefix"
    headers = {name.decode(): value.decode() for name, value in event.headers}
    return Request(url.path.removeprefix(prefix), dict(parse_qsl(url.query)), headers)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None, prefix: str = "") -> AsyncIterator[FakeApi]:
    api = FakeApi(tls, prefix)
    await api.start()
    try:
        yield api
    finally:
        await api.stop()
