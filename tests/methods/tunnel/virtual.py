"""A loop with a clock that jumps to the next timer, and a network in memory: the whole tunnel, from the request for an
upgrade to the app's bytes, without a moment of waiting, and the same each time.

TLS, the kernel's buffers and real sockets are tried in test_transports, test_access, test_flow and test_malformed.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Any

from tests.supervisor.interleave.loop import VirtualLoop
from tests.supervisor.interleave.pipes import Pipe

Factory = Callable[[], asyncio.BaseProtocol]


class PipeLoop(VirtualLoop):
    """`latency`: seconds that bytes travel, each way."""

    def __init__(self, latency: float = 0.0) -> None:
        super().__init__()
        self.latency = latency
        self._servers: dict[int, PipeServer] = {}
        self._ports = 40000

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Factory, host: Any = None, port: int = 0, **more: Any
    ) -> "PipeServer":
        assert not more.get("ssl"), "there is no TLS in memory"
        self._ports += 1
        made = self._servers[port or self._ports] = PipeServer(
            self._servers, port or self._ports, protocol_factory
        )
        return made

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Factory, host: Any = None, port: int = 0, **more: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Raises ConnectionRefusedError."""
        await asyncio.sleep(self.latency)
        server = self._servers.get(port)
        if server is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        near, far = Pipe.pair(self, self.latency)
        protocol = protocol_factory()
        far.begin(server.factory())  # type: ignore[arg-type]
        near.begin(protocol)  # type: ignore[arg-type]
        return near, protocol


class PipeServer:
    """As much of asyncio's as there is needed."""

    def __init__(self, servers: "dict[int, PipeServer]", port: int, factory: Factory) -> None:
        self.factory = factory
        self.port = port
        self._servers = servers

    @property
    def sockets(self) -> "list[PipeServer]":
        return [self]

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def close(self) -> None:
        self._servers.pop(self.port, None)

    async def start_serving(self) -> None: ...
