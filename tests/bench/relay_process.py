"""usage: python -m tests.bench.relay_process PORT HOST TO [off|absent|on]

The nodeport method's listener and dialer, bare, in a process of their own: what the daemon does for one forward. With a last
word also what the daemon knows of each connection, and there the taps of `kfw tap` are off (nobody asks), absent (their code
is taken out, but for one look at an attribute in each dial), or on (somebody asks, and reads all of it).
"""

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterable

from kfw.daemon.connections import Connections
from kfw.daemon.taps import Taps
from kfw.methods.base import OpenRequest
from kfw.methods.nodeport import NodePort
from kfw.model import Endpoint, Forward, Health, Target
from kfw.names import RowId
from kfw.relay.listener import NULL_OBSERVER, Listener
from kfw.relay.local_connection import LocalConnection
from kfw.system.clock import Clock
from kfw.system.local_ports import bind

NAME = "bench"


async def serve(port: int, host: str, to: int, taps: str) -> None:
    forward = Forward(NAME, Target.parse("service/bench"), to, port, health=Health(type="none"))
    connections = Connections(Clock(), lambda *_: None)
    tunnel = await NodePort().open(OpenRequest(forward, (Endpoint("node", NAME, host, to),)))
    sockets, _ = bind(["127.0.0.1"], port)
    listener = Listener(
        NAME,
        sockets,
        hold=30,
        on_knock=lambda: None,
        log=logging.getLogger(NAME),
        watcher=connections if taps else NULL_OBSERVER,
    )
    if taps == "absent":
        connections.taps = _Absent(Clock())
        LocalConnection.begin = _begin  # type: ignore[method-assign]
    listener.use(tunnel)
    listener.start()
    print("ready", flush=True)
    if taps == "on":
        await _read(connections.taps.stream(RowId("", NAME)))
    await asyncio.Event().wait()


class _Absent(Taps):
    def began(self, *_: object) -> None:
        pass

    ended = began


def _begin(connection: LocalConnection, sock: socket.socket) -> None:
    connection._spawn(connection._adopt(sock))


async def _read(stream: AsyncIterable[bytes]) -> None:
    """As the control socket does, which hands each event on."""
    async for _ in stream:
        pass


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), "".join(sys.argv[4:])))
