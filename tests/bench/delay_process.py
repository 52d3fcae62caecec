"""usage: python -m tests.bench.delay_process HOST PORT SECONDS

A relay on a port of its own, which it prints: whatever passes comes so many seconds later, each way, and a connection
takes its round trip before the first byte, as a TCP handshake does. In user space, as not every kernel can do it.
"""

import asyncio
import sys
from typing import cast


class Side(asyncio.Protocol):
    """One end of a connection: what it hears, the other end says later."""

    other: "Side"
    wire: asyncio.Transport

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._next = 0.0  # the loop's time, before which nothing more may leave

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._later(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._later(b"")

    def shake_hands(self) -> None:
        self._next = asyncio.get_running_loop().time() + 3 * self._delay

    def _later(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._next = max(
            loop.time() + self._delay, self._next + 1e-6
        )  # never two at the same time: no order then
        loop.call_at(self._next, self._said, data)

    def _said(self, data: bytes) -> None:
        if data:
            self.other.wire.write(data)
        else:
            self.other.wire.close()


class Near(Side):
    """The client's."""

    def __init__(self, host: str, port: int, delay: float) -> None:
        super().__init__(delay)
        self._far = (host, port)
        self._dial: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.wire.pause_reading()
        self.shake_hands()
        self._dial = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        _, far = await asyncio.get_running_loop().create_connection(lambda: Side(self._delay), *self._far)
        self.other, far.other = far, self
        self.wire.resume_reading()


async def main(host: str, port: str, seconds: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Near(host, int(port), float(seconds)), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
