"""socat: a supervised `socat TCP-LISTEN` to a node's port. No Python in the data path; socat has the local port.

Limits: what socat does after one side's end of file it does for 0.5 s only (its -t), so an answer later than that is
lost; each connection is a process; and a far side that accepts and stays silent looks healthy to a tcp probe, for
socat accepts whatever is behind it. health.type http sees that.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Literal

from kfw.errors import KfwError, PortInUse
from kfw.methods.base import Way
from kfw.methods.nodeport import NodePort
from kfw.methods.probe import probe
from kfw.methods.supervised import TO_SAY_WHY, ended, first, logged
from kfw.model import Endpoint, Forward, Health, Problem, Reason
from kfw.relay.dial import Dialer, DialFailed
from kfw.relay.tcp import TcpDialer
from kfw.system import ports, tools
from kfw.system.process import Child, Children

#: The default of 8 KiB costs half the throughput and more (peer-figures).
BUFFER = 131072
#: Seconds between looks whether a new socat listens already; it takes some 5 ms.
_PAUSE = 0.01
#: Seconds that a socat which was told to end gets; it needs none.
_GRACE = 2.0

#: `2026/11/21 08:23:47 socat[31006] E bind(5, {AF=2 127.0.0.1:8080}, 16): Address already in use`
_LINE = re.compile(r"^\S+ \S+ socat\[\d+\] (?P<level>[FEWNID]) (?P<text>.*)$")
_LEVELS = {"F": logging.WARNING, "E": logging.WARNING, "W": logging.INFO}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class Socat:
    name = "socat"
    wants: Literal["pod", "node"] = "node"
    owns_port = True

    def __init__(self, children: Children) -> None:
        self._children = children

    def missing(self) -> KfwError | None:
        return tools.missing("socat")

    async def open(self, way: Way) -> "SocatTunnel":
        """One socat for each local address. Raises KfwError: node-unreachable, port-in-use, child-exited, unhealthy."""
        node = (await NodePort().open(way)).endpoint
        addresses, port = _free(way.forward)
        tunnel = SocatTunnel(node, port)
        try:
            for address in addresses:
                tunnel.add(await self._start(way.forward, node, address, port))
            await tunnel.prove()
        except BaseException:
            await tunnel.close()
            raise
        return tunnel

    async def _start(self, forward: Forward, node: Endpoint, address: str, port: int) -> "Socket":
        line = argv(address, port, node.address, node.port)
        on_line = logged(forward.name, "socat", _level)
        child = await self._children.start(line, label=forward.name, on_line=on_line)
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
            except DialFailed:
                if not self.child.running:
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

    async def close(self) -> None:
        """Ends the listeners and the processes of live connections; then the port is free."""
        await asyncio.gather(*(socket.child.stop(_GRACE) for socket in self._sockets))


def argv(address: str, port: int, node: str, node_port: int) -> list[str]:
    """-d: warnings too, so that the log tells of each connection that the node refused.

    Addresses from the cluster are data: anything that could be read as a socat option is refused.
    """
    listen = f"TCP-LISTEN:{port},bind={address}"
    if ":" in address:  # IPv4 has a socat of its own
        listen = f"TCP6-LISTEN:{port},bind=[{address}],ipv6only=1"
    return ["socat", "-d", f"-b{BUFFER}", f"{listen},fork,reuseaddr", f"{_target(node)}:{node_port}"]


def words(stderr: str) -> str:
    """The last error that socat told of, without its time stamp and pid; else its last line."""
    lines = [_LINE.match(line) for line in stderr.splitlines()]
    errors = [line["text"] for line in lines if line and line["level"] in "FE"]
    return errors[-1] if errors else stderr.strip().rpartition("\n")[2]


def _target(node: str) -> str:
    if _NAME.fullmatch(node):  # an IPv4 address is one, too
        return f"TCP:{node}"
    if _is_ipv6(node):
        return f"TCP6:[{node}]"
    raise KfwError(f"'{node}' is no address of a node", reason=Reason.NODE_UNREACHABLE)


def _is_ipv6(text: str) -> bool:
    try:
        zone = IPv6Address(text).scope_id
    except ValueError:
        return False
    return zone is None or zone.isalnum()  # the module would let `fe80::1%eth0,exec` pass


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


def _level(stream: str, line: str) -> int:
    found = _LINE.match(line)
    if found and found["text"].startswith("exiting on signal"):
        return logging.DEBUG  # we told it to
    return _LEVELS.get(found["level"], logging.DEBUG) if found else logging.INFO
