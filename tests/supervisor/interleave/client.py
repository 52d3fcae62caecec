"""A program on this machine that connects to the local port."""

import asyncio

from tests.supervisor.interleave.pipes import ListeningSocket, Pipe


class Client(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, port: ListeningSocket, says: bytes) -> None:
        self.got = b""
        self.ended: list[Exception | None] = []
        self.transport, near = Pipe.pair(loop)
        self.near = near
        self.transport.begin(self)
        if says:
            self.transport.write(says)
        port.arrive(near)

    @property
    def is_there(self) -> bool:
        return not self.transport.is_closing()

    def do(self, how: str) -> None:
        match how:
            case "speaks":
                self.transport.write(b"more")
            case "leaves":
                self.transport.close()
            case "breaks off":
                self.transport.abort()
            case "says all":
                self.transport.write_eof()

    def data_received(self, data: bytes) -> None:
        self.got += data

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.append(exc)
