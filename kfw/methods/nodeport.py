"""nodeport: kfw's listener relays to a node's own port. The fastest way where a node can be reached, with half-close.

The cluster balances over its pods by itself, so this way survives every change of pods. It breaks when no node answers.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

from kfw.errors import KfwError
from kfw.methods.base import Way
from kfw.methods.probe import SETTLE_SECONDS, probe
from kfw.model import Endpoint, Problem, Reason
from kfw.relay.dial import Dialer, DialFailed
from kfw.relay.race import AllFailed, race
from kfw.relay.tcp import CONNECT_SECONDS, carry, connect, in_words

#: Of many nodes as many are tried, so that a failure is told within seconds.
NODES = 6
#: So long a node may be silent before the next one is asked as well.
HEAD_START = 0.25
#: The way is broken when so many dials in a row found no node, over at least so many seconds.
FAILURES = 3
FAILING_SECONDS = 0.3

FIX = "check that this machine can reach the node, or use method kubectl, which goes through the API server"


class NodePort:
    name = "nodeport"
    wants: Literal["pod", "node"] = "node"
    owns_port = False

    def missing(self) -> KfwError | None:
        return None

    async def open(self, way: Way) -> "NodePortTunnel":
        """Raises KfwError(reason="node-unreachable") with what each node said, unless one answers end to end."""
        tunnel = NodePortTunnel(way)
        await tunnel.probe()
        return tunnel


class NodePortTunnel:
    """Its own dialer. The node that answered last is asked first, so a silent one delays a connection only once."""

    pid: int | None = None

    def __init__(self, way: Way) -> None:
        self._target = way.forward.target
        self._health = way.forward.health
        self._nodes = list(way.endpoints[:NODES])
        self._head_start = HEAD_START
        self._failures = 0
        self._failing_since = 0.0
        self._problem: Problem | None = None
        self._broke = asyncio.Event()
        self.endpoint: Endpoint = self._nodes[0]
        self.dialer: Dialer | None = self

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        """The nodes may change, the node in use and its port may not."""
        if self.endpoint not in endpoints:
            return False
        others = [node for node in endpoints[:NODES] if node != self.endpoint]
        self._nodes = [self.endpoint, *others]
        return True

    async def broken(self) -> Problem:
        while self._problem is None:
            await self._broke.wait()
        return self._problem

    async def probe(self) -> None:
        """Raises KfwError(reason="node-unreachable") unless a node answers by the forward's health settings."""
        nodes = tuple(self._nodes)
        attempts = [partial(self._probe_node, node) for node in nodes]
        try:
            index, _ = await race(attempts, head_start=HEAD_START + SETTLE_SECONDS)
        except AllFailed as failed:
            what = self._no_answer(zip(nodes, failed.errors, strict=True))
            raise KfwError(what, FIX, reason=Reason.NODE_UNREACHABLE) from failed
        self._prefer(nodes[index])

    async def close(self) -> None:
        """There is nothing to end: live connections belong to the listener."""

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        first, *others = self._nodes
        try:
            sock = await connect(first.address, first.port, HEAD_START if others else CONNECT_SECONDS)
        except OSError as error:
            sock = await self._connect_elsewhere(others, first, error)
        self._failures = 0
        return await carry(sock, factory)

    async def _connect_elsewhere(
        self, others: Sequence[Endpoint], first: Endpoint, error: OSError
    ) -> socket.socket:
        """`first` refused, or is silent so far: in that case it gets its full time behind the others."""
        silent = others and isinstance(error, TimeoutError)
        nodes = [*others, first] if silent else others
        attempts = [partial(connect, node.address, node.port) for node in nodes]
        try:
            index, sock = await race(attempts, head_start=HEAD_START, discard=socket.socket.close)
        except AllFailed as failed:
            refusals = [] if silent else [(first, error)]
            why = self._no_answer([*refusals, *zip(nodes, failed.errors, strict=True)])
            self._count_failure(why)
            raise DialFailed(why, safe=True) from failed
        self._prefer(nodes[index])
        return sock

    async def _probe_node(self, node: Endpoint) -> None:
        await probe(partial(self._dial_node, node), self._health)

    async def _dial_node(self, node: Endpoint, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        try:
            sock = await connect(node.address, node.port)
        except OSError as error:
            raise DialFailed(in_words(error), safe=True) from error
        return await carry(sock, factory)

    def _prefer(self, node: Endpoint) -> None:
        self._nodes.remove(node)
        self._nodes.insert(0, node)
        self.endpoint = node

    def _count_failure(self, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._failures == 0:
            self._failing_since = now
        self._failures += 1
        if self._failures >= FAILURES and now - self._failing_since >= FAILING_SECONDS:
            self._problem = Problem(Reason.NODE_UNREACHABLE, why, FIX)
            self._broke.set()

    def _no_answer(self, said: Iterable[tuple[Endpoint, BaseException]]) -> str:
        words = "; ".join(
            f"{node.name} ({node.address}:{node.port}): {_words(error)}" for node, error in said
        )
        return f"no node answers for {self._target}: {words}"


def _words(error: BaseException) -> str:
    return in_words(error) if isinstance(error, OSError) else str(error)
