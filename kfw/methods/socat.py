"""socat: a supervised `socat TCP-LISTEN` to a node's port. No Python in the data path; socat has the local port.

Limits: what socat does after one side's end of file it does for 0.5 s only (its -t), so an answer later than that is
lost; each connection is a process; and a far side that accepts and stays silent looks healthy to a tcp probe, for
socat accepts whatever is behind it. health.type http sees that.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

from kfw.errors import KfwError, PortInUse, Shortage
from kfw.methods.base import Way
from kfw.methods.nodeport import NodePort
from kfw.methods.probe import probe
from kfw.methods.socat_words import argv, level, words
from kfw.methods.supervised import TO_SAY_WHY, ended, first, logged
from kfw.model import Endpoint, Forward, Health, Problem, Reason
from kfw.relay.dial import Dialer, DialFailed
from kfw.relay.tcp import TcpDialer
from kfw.system import ports, tools
from kfw.system.process import Child, Children

#: Seconds between looks whether a new socat listens already; it takes some 5 ms.
_PAUSE = 0.01
#: Seconds that a socat which was told to end gets; it needs none.
_GRACE = 2.0
#: Seconds between looks whether what a socat has left behind still runs.
_LOOK = 1.0


class Socat:
    name = "socat"
    wants: Literal["pod", "node"] = "node"
    owns_port = True
    logs_in = False

    def __init__(self, children: Children) -> None:
        self._children = children

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        return tools.missing("socat", environ)

    async def open(self, way: Way) -> "SocatTunnel":
        """One socat for each local address. Raises KfwError: node-unreachable, port-in-use, child-exited, unhealthy."""
        node = (await NodePort().open(way)).endpoint
        addresses, port = _free(way.forward)
        tunnel = SocatTunnel(node, port)
        try:
            for address in addresses:
                tunnel.add(await self._start(way, node, address, port))
            await tunnel.prove()
        except BaseException:
            await tunnel.close()
            raise
        return tunnel

    async def _start(self, way: Way, node: Endpoint, address: str, port: int) -> "Socket":
        forward = way.forward
        line = argv(address, port, node.address, node.port)
        on_line = logged(forward.name, "socat", level)
        child = await self._children.start(line, label=forward.name, base=way.environ, on_line=on_line)
        return Socket(address, port, child, forward.health)


class Socket:
    """One socat on one local address."""

    def __init__(self, address: str, port: int, child: Child, health: Health) -> None:
        self.address = address
        self.child = child
        self._dialer = TcpDialer(address, port)
        self._health = health

    async def probe(self) -> None:
        """Through the local port to the far side and back. Raises KfwError."""
        try:
            await probe(self._dial, self._health)
        except KfwError as error:
            if isinstance(error, Shortage):
                raise
            await first(self.child.over, seconds=TO_SAY_WHY)
            raise self._failure(error) from error
        if not self.child.running:
            raise self._failure(KfwError("somebody else answered"))

    def end(self) -> Problem:
        return ended(self.child, words(self.child.last_words()))

    async def _dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """A refusal only means that socat does not listen yet, unless it has ended."""
        while True:
            try:
                return await self._dialer.dial(factory)
            except DialFailed as failed:
                if failed.short or not self.child.running:
                    raise
            await asyncio.sleep(_PAUSE)

    def _failure(self, error: KfwError) -> KfwError:
        said = self.child.last_words()
        if self.child.running:
            return KfwError(
                f"{error.what}; socat: {words(said)}" if said else error.what, reason=error.reason
            )
        if "Address already in use" in said:
            return _in_use(self._dialer.port)
        return KfwError(self.end().message, reason=Reason.CHILD_EXITED)


class SocatTunnel:
    dialer: Dialer | None = None

    def __init__(self, node: Endpoint, port: int) -> None:
        self.endpoint = node
        self.local_port = port
        self.pid: int | None = None
        self._sockets: list[Socket] = []

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(socket.address for socket in self._sockets)

    @property
    def warning(self) -> str:
        return next(filter(None, (socket.child.warning for socket in self._sockets)), "")

    def add(self, socket: Socket) -> None:
        """From now on it is closed with the tunnel."""
        self._sockets.append(socket)
        self.pid = self._sockets[0].child.pid

    async def prove(self) -> None:
        """Returns when the far side has answered through every address. Raises KfwError."""
        probes = (socket.probe() for socket in self._sockets)
        outcomes = await asyncio.gather(*probes, return_exceptions=True)  # so that none goes on alone
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        return self.endpoint in endpoints

    async def broken(self) -> Problem:
        await first(*(socket.child.over for socket in self._sockets))
        return next(socket.end() for socket in self._sockets if socket.child.over.done())

    async def probe(self) -> None:
        await self._sockets[0].probe()

    async def give_port_back(self) -> None:
        """socat's listener ends; what it has forked for live connections goes on, each closing its copy of the port."""
        await asyncio.gather(*(socket.child.stop_leader(_GRACE) for socket in self._sockets))

    async def wait_until_unused(self) -> None:
        # They are not our children, so nobody tells.
        while any(socket.child.left_behind() for socket in self._sockets):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)

    async def close(self) -> None:
        """Ends the listeners and the processes of live connections; then the port is free."""
        await asyncio.gather(*(socket.child.stop(_GRACE) for socket in self._sockets))


def _in_use(port: int) -> PortInUse:
    who = ports.holder(port) or "another program"
    return PortInUse(f"cannot listen on {port}: {who} has it", "free it, or choose another localPort")


def _free(forward: Forward) -> tuple[list[str], int]:
    """The addresses that this machine has, and the port, just seen free on all of them. Raises PortInUse."""
    sockets, port = ports.bind(forward.addresses, forward.local_port)
    addresses = [str(sock.getsockname()[0]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return addresses, port
