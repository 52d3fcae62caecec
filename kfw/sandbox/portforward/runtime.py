"""What the container runtime does with one connection: dial the app, copy both ways, and end it in its own way.

Source: containerd, internal/cri/server/sandbox_portforward_linux.go; CRI-O has the same [read and run].
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from kfw.sandbox.node.pod import ServingPod
from kfw.wire.portforward import gone_text, refused_text, reset_text

_READ = 32 * 1024  # bytes, as io.Copy


class Tunnel(Protocol):
    """A live SPDY connection, as faults see it."""

    def consider_goaway(self) -> None: ...
    def block(self, worker: int) -> None: ...
    def unblock(self, worker: int) -> None: ...


@dataclass
class Runtime:
    """How the runtime is, as containerd 1.6 was. May be changed while tunnels are open.

    `close_after` seconds after one direction has ended the other ends too, and neither is half-closed before; None:
    each direction ends alone, and no runtime does that. `resets`: streams that failed are reset, as Kubernetes 1.34
    does; else data that comes for such a stream blocks one of five workers for good. `goaways`: connections that a
    tunnel takes, if there is any number here; `refusals`: HTTP status by way in.
    """

    close_after: float | None = 1.0
    resets: bool = False
    goaways: list[int] = field(default_factory=list)
    refusals: list[dict[str, int]] = field(default_factory=list)
    tunnels: set[Tunnel] = field(default_factory=set)


class Stream(Protocol):
    async def read(self) -> bytes:
        """b"" at the end."""
        ...

    async def write(self, data: bytes) -> None: ...
    async def close(self) -> None:
        """Nothing more is written."""
        ...


class Failed(Exception):
    """`text` goes to the client on the error stream."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True)
class FarEnd:
    """A pod as seen by its runtime. `find` is None when the pod is gone; `sandbox` is the runtime's id for it."""

    find: Callable[[], ServingPod | None]
    sandbox: str
    runtime: Runtime

    async def forward(self, port: int, stream: Stream) -> None:
        """Carry one connection to its end. Raises Failed."""
        pod = self.find()
        if pod is None:
            raise Failed(gone_text(port, self.sandbox))  # the stream is left open here
        failure = await self._carry(pod, port, stream)
        await stream.close()
        if failure:
            raise Failed(failure)

    async def _carry(self, pod: ServingPod, port: int, stream: Stream) -> str:
        """Returns the text for the client, empty when all went well."""
        try:
            connection = pod.connect(port)
        except OSError as problem:
            return f"error forwarding port {port} to pod {self.sandbox}, uid : {problem}"
        if connection is None:
            return refused_text(port, self.sandbox)
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            await _copy_both(reader, writer, stream, self.runtime.close_after)
        except ConnectionError:
            writer.transport.abort()
            return reset_text(port, self.sandbox)
        finally:
            writer.close()
        return ""


async def _copy_both(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Stream, close_after: float | None
) -> None:
    half = close_after is None
    copies = [
        asyncio.create_task(_to_client(reader, stream, half=half)),
        asyncio.create_task(_to_app(stream, writer, half=half)),
    ]
    try:
        _, left = await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        if left:
            await asyncio.wait(left, timeout=close_after)
        for copy in copies:
            if copy.done():
                copy.result()
    finally:
        for copy in copies:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)


async def _to_client(reader: asyncio.StreamReader, stream: Stream, *, half: bool) -> None:
    while data := await reader.read(_READ):
        await stream.write(data)
    if half:
        await stream.close()


async def _to_app(stream: Stream, writer: asyncio.StreamWriter, *, half: bool) -> None:
    while data := await stream.read():
        writer.write(data)
        await writer.drain()
    if half:
        with suppress(OSError):  # the app has left meanwhile
            writer.write_eof()


class Inbox:
    """For one that puts and one that takes."""

    def __init__(self) -> None:
        self._item = b""
        self._closed = False
        self._changed = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Returns when it was taken, or dropped because the inbox is closed."""
        if self._closed:
            return
        self._item = data
        self._wake()
        while self._item and not self._closed:
            await self._changed.wait()

    async def take(self) -> bytes:
        """The next piece; b"" when it is closed."""
        while not self._item and not self._closed:
            await self._changed.wait()
        data, self._item = self._item, b""
        self._wake()
        return data

    def close(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
