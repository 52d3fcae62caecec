"""nodeport: kfw's listener relays to a node's own port. The fastest way where a node can be reached, with half-close.

The cluster balances over its pods by itself, so this path survives every change of pods. It breaks when no node answers.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from itertools import cycle, islice
from typing import Literal

from kfw.aio import AllFailed, race
from kfw.errors import KfwError, Shortage
from kfw.methods.base import Examination, OpenRequest
from kfw.methods.probe import SETTLE_SECONDS, Prober, Unanswered, error_of
from kfw.model import Endpoint, Problem, Reason
from kfw.relay.dialer import CONNECT_SECONDS, Dialer, DialFailed, carry, connect, in_words
from kfw.system.open_files import is_shortage

#: Of many nodes as many are tried, so that a failure is told within seconds.
NODES = 6
#: So long the one asked may be silent before the next attempt begins; longer only where the cluster is far: two round
#: trips.
HEAD_START = 0.25
LONGEST_HEAD_START = 1.0
ROUND_TRIPS = 2
#: A round trip that is longer than the ones before counts by this share: one that was slow once is not far away.
SLOWER = 0.125
#: After so many head starts an attempt is given up. A pod that has gone never answers it, and a new attempt may get
#: another pod.
TURN = 4
#: A silent node is asked again, too, for the same reason.
ATTEMPTS = 6
#: As many connections are made to a node at once to see whether they are answered, and so many seconds later to the next.
EXAMINED, EXAMINED_NEXT = 4, 0.3
#: The path is broken when for so many seconds no dial found a node.
FAILING_SECONDS = 0.3

#: Connect(node, timeout) -> a connected socket; raises OSError, and then the app has got nothing.
Connect = Callable[[Endpoint, float], Awaitable[socket.socket]]

#: What refuses is the node in the app's name, or kube-proxy where no app is ready.
FIX_REFUSED = "check that its pods listen on the service's target port; method tunnel asks each pod"
FIX = "check that this machine can reach the node, or use method kubectl, which goes through the API server"


async def directly(node: Endpoint, timeout: float) -> socket.socket:
    return await connect(node.address, node.port, timeout)


class NodePort:
    name = "nodeport"
    wants: Literal["pod", "node"] = "node"
    owns_port = False
    logs_in = False

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        return None

    async def open(self, request: OpenRequest) -> "NodePortTunnel":
        """Raises KfwError with what each node said, unless one answers end to end: app-refuses when all of them refuse,
        else node-unreachable."""
        tunnel = NodePortTunnel(request)
        await tunnel.probe()
        return tunnel


class NodePortTunnel:
    """Its own dialer. The node that answered last is asked first, so a silent one delays a connection only once."""

    pid: int | None = None

    def __init__(self, request: OpenRequest, connect_to: Connect = directly) -> None:
        self._connect = connect_to
        self._target = request.forward.target
        self._prober = Prober(request.forward.health, request.eof_behaviour, request.environ)
        self._nodes = list(request.endpoints[:NODES])
        self._round_trip: float | None = None
        self._failing_since: float | None = None
        self._got_through = float("-inf")  # when the last dial did
        self._problem: Problem | None = None
        self._broke = asyncio.Event()
        self.endpoint: Endpoint = self._nodes[0]
        self.dialer: Dialer | None = self

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        """The nodes may change; the one in use and its port may not. One that is not ready is left for one that is, by
        new connections."""
        if self.endpoint not in endpoints:
            return False
        in_use = next(node for node in endpoints if node == self.endpoint)
        nodes = list(endpoints[:NODES])
        if in_use.ready or not nodes[0].ready:
            nodes = [in_use, *(node for node in nodes if node != in_use)]
        self._nodes, self.endpoint = nodes, nodes[0]
        return True

    @property
    def _head_start(self) -> float:
        return min(max(HEAD_START, ROUND_TRIPS * (self._round_trip or 0.0)), LONGEST_HEAD_START)

    async def broken(self) -> Problem:
        while self._problem is None:
            await self._broke.wait()
        return self._problem

    async def probe(self) -> None:
        """Raises KfwError, as `NodePort.open`, unless a node answers by the forward's health settings."""
        nodes = tuple(self._nodes)
        head_start = self._head_start + SETTLE_SECONDS
        with suppress(KfwError, TimeoutError):  # most often the node in use is well: no race, half the work
            async with asyncio.timeout(head_start):
                await self._probe_node(nodes[0])
                return
        attempts = [partial(self._probe_node, node) for node in nodes]
        try:
            index, _ = await race(attempts, head_start=head_start)
        except AllFailed as failed:
            if short := next((one for one in failed.errors if isinstance(one, Shortage)), None):
                raise short from failed
            problem = self._no_answer(zip(nodes, failed.errors, strict=True))
            raise KfwError(problem.message, problem.fix, reason=problem.reason) from failed
        self._prefer(nodes[index])

    async def examine(self, *, soon: bool) -> Examination:
        """The node in use; one that does worse than the next is left for that. A patient look is a plain probe."""
        node, *others = self._nodes
        if not soon:
            return Examination((await error_of(self.probe()),), str(node))
        probing = asyncio.ensure_future(self._examine_node(node))
        try:
            await asyncio.wait([probing], timeout=EXAMINED_NEXT)
            if others and (not probing.done() or probing.result().errors):
                other = await self._examine_node(others[0])
                if len(other.errors) < len((await probing).errors):
                    self._prefer(others[0])
                    return other
            return await probing
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)

    async def _examine_node(self, node: Endpoint) -> Examination:
        prove = partial(self._prober.prove, partial(self._dial_node, node), soon=True)
        found = tuple(await asyncio.gather(*(error_of(prove()) for _ in range(EXAMINED))))
        taken = all(isinstance(error, Unanswered) for error in found if error)
        told = tuple(error and self._told(node, error) for error in found)
        return Examination(told, f"node port {node.port} of {node.name}", apart=taken)

    def _told(self, node: Endpoint, error: KfwError) -> KfwError:
        """As `probe` says it; silence speaks for itself."""
        if isinstance(error, Unanswered):
            return error
        problem = self._no_answer([(node, error)])
        return KfwError(problem.message, problem.fix, reason=problem.reason)

    async def close(self) -> None:
        """Live connections belong to the listener."""
        self._prober.close()

    async def dial(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        began = asyncio.get_running_loop().time()
        first = self._nodes[0]
        try:
            sock = await self._connect_to(first, self._head_start)
        except OSError as error:
            _refuse_shortage(error)
            sock = await self._connect_elsewhere(first, error, began)
        self._failing_since, self._got_through = None, asyncio.get_running_loop().time()
        return await carry(sock, factory)

    async def _connect_elsewhere(self, first: Endpoint, error: OSError, began: float) -> socket.socket:
        """The first node refused; or it is silent so far, then its next turn comes behind the others."""
        others = [node for node in self._nodes if node != first]
        refused = not isinstance(error, TimeoutError)
        nodes = others if refused else list(islice(cycle([*others, first]), ATTEMPTS))
        attempts = [partial(self._connect_to, node, TURN * self._head_start) for node in nodes]
        try:
            index, sock = await race(attempts, head_start=self._head_start, discard=socket.socket.close)
        except AllFailed as failed:
            for one in failed.errors:
                _refuse_shortage(one)
            said = zip(nodes, failed.errors, strict=True)
            problem = self._no_answer([(first, error), *said] if refused else said)
            self._count_failure(problem, began)
            nobody_listens = problem.reason is Reason.APP_REFUSES
            raise DialFailed(problem.message, safe=True, refused=nobody_listens) from failed
        self._prefer(nodes[index])
        return sock

    async def _connect_to(self, node: Endpoint, timeout: float) -> socket.socket:
        """Notes how far away the cluster is."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        sock = await self._connect(node, timeout)
        took = loop.time() - began
        known = took if self._round_trip is None else self._round_trip
        self._round_trip = min(took, known + SLOWER * (took - known))
        return sock

    async def _probe_node(self, node: Endpoint) -> None:
        await self._prober.probe(partial(self._dial_node, node))

    async def _dial_node(self, node: Endpoint, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        try:
            sock = await self._connect_to(node, CONNECT_SECONDS)
        except OSError as error:
            _refuse_shortage(error)
            raise DialFailed(in_words(error), safe=True, refused=_is_refusal(error)) from error
        return await carry(sock, factory)

    def _prefer(self, node: Endpoint) -> None:
        if node in self._nodes:  # else it has left the cluster meanwhile
            self._nodes.remove(node)
            self._nodes.insert(0, node)
            self.endpoint = node

    def _count_failure(self, problem: Problem, began: float) -> None:
        """A dial that others overtook proves only what has been so since then: some of the pods may be gone."""
        if self._failing_since is None:
            self._failing_since = max(began, self._got_through)
        if asyncio.get_running_loop().time() - self._failing_since >= FAILING_SECONDS:
            self._problem = problem
            self._broke.set()

    def _no_answer(self, said: Iterable[tuple[Endpoint, BaseException]]) -> Problem:
        """One of a node's answers, if it was asked several times. That all refuse is an answer, too."""
        answers = dict(said)
        words = "; ".join(
            f"{node.name} ({node.address}:{node.port}): {in_words(error)}" for node, error in answers.items()
        )
        if all(map(_is_refusal, answers.values())):
            what = f"nothing listens behind the node port of {self._target}: {words}"
            return Problem(Reason.APP_REFUSES, what, FIX_REFUSED)
        return Problem(Reason.NODE_UNREACHABLE, f"no node answers for {self._target}: {words}", FIX)


def _refuse_shortage(error: BaseException) -> None:
    """Raises DialFailed if that is what it is: it says nothing about nodes."""
    if isinstance(error, OSError) and is_shortage(error):
        raise DialFailed(in_words(error), safe=True, short=True) from error


def _is_refusal(error: BaseException) -> bool:
    if isinstance(error, KfwError):
        return error.reason == Reason.APP_REFUSES
    return isinstance(error, ConnectionRefusedError)
