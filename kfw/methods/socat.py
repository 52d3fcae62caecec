"""socat: a supervised `socat TCP-LISTEN` to a node's port. No Python in the data path; socat has the local port.

Limits: what socat does after one side's end of file it does for 0.5 s only (its -t), so an answer later than that is
lost; each connection is a process; and a far side that accepts and stays silent is seen by nobody until a connection
fails or a probe of the node port finds it, for socat accepts whatever is behind it. What the kernel refuses while no
socat listens cannot be counted.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal

from kfw.aio import Broadcast
from kfw.errors import KfwError, PortInUse, Shortage
from kfw.methods.base import Examination, OpenRequest
from kfw.methods.eof_behaviour import EofBehaviour
from kfw.methods.nodeport import NodePort, NodePortTunnel
from kfw.methods.probe import Connect, Prober, Unanswered, error_of
from kfw.methods.socat_messages import argv, ending, level, words
from kfw.methods.supervised import TO_SAY_WHY, ended, first, logged, stopped
from kfw.model import Endpoint, Forward, Health, Problem, Reason
from kfw.relay.dialer import Dialer, DialFailed, TcpDialer
from kfw.relay.suspicion import Hint
from kfw.system import local_ports, process_identity, tools
from kfw.system.port_owner import accept_queue
from kfw.system.process import Child, Children

#: Seconds between looks whether a new socat listens already; it takes some 5 ms.
_PAUSE = 0.01
#: What socat does after one side's end it does for 0.5 s only, so our own end is answered by then: seconds.
_ENDS = 0.5
#: Seconds between two looks at socat's processes, which are all that tells of connections that hang: while there are some,
#: and while there are none.
LOOK, LOOK_UNUSED = 0.5, 1.0
#: Processes of connections whose end has been told are remembered, as some have two lines to say.
_TOLD = 64
#: Seconds that a socat which was told to end gets; it needs none.
_GRACE = 2.0


class Socat:
    name = "socat"
    wants: Literal["pod", "node"] = "node"
    owns_port = True
    logs_in = False

    def __init__(self, children: Children) -> None:
        self._children = children

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        return tools.missing("socat", environ)

    async def open(self, request: OpenRequest) -> "SocatTunnel":
        """One socat for each local address. Raises KfwError: node-unreachable, port-in-use, child-exited, unhealthy."""
        behind = await NodePort().open(request)
        addresses, port = _free(request.forward)
        tunnel = SocatTunnel(behind, port)
        try:
            for address in addresses:
                tunnel.add(await self._start(request, tunnel, address, port))
            await tunnel.prove()
        except BaseException:
            await tunnel.close()
            raise
        return tunnel

    async def _start(self, request: OpenRequest, tunnel: "SocatTunnel", address: str, port: int) -> "Socket":
        forward, node = request.forward, tunnel.endpoint
        line = argv(address, port, node.address, node.port)
        log = logged(request.name, "socat", level)

        def on_line(stream: str, said: str) -> None:
            log(stream, said)
            tunnel.losses.hear(said)

        child = await self._children.start(
            line, label=str(request.name), base=request.environ, on_line=on_line
        )
        return Socket(address, port, child, forward.health, request.environ)


class Socket:
    """One socat on one local address."""

    def __init__(
        self, address: str, port: int, child: Child, health: Health, environ: Mapping[str, str] | None
    ) -> None:
        self.address = address
        self.child = child
        self._dialer = TcpDialer(address, port)
        eof_behaviour = EofBehaviour()
        eof_behaviour.answered(_ENDS)
        self._prober = Prober(health, eof_behaviour, environ)
        self._asking = 0  # probes under way
        self._seen = frozenset[int]()  # processes of connections at the last look
        self._known = frozenset[int]()  # of these, those that were told of

    async def probe(self) -> None:
        """Through the local port to the far side and back. Raises KfwError."""
        await self._ask(partial(self._prober.probe, learn=False))

    async def prove(self, *, soon: bool) -> None:
        """The same, and that socat itself ends what we end."""
        await self._ask(partial(self._prober.prove, soon=soon))

    async def _ask(self, question: Callable[[Connect], Awaitable[None]]) -> None:
        if error := stopped(self.child):
            raise error
        self._asking += 1
        try:
            await question(self._dial)
        except (Unanswered, Shortage):
            raise  # socat has nothing to say of silence
        except KfwError as error:
            await first(self.child.over, seconds=TO_SAY_WHY)
            raise self._failure(error) from error
        finally:
            self._asking -= 1
        if not self.child.running:
            raise self._failure(KfwError("another program answered"))

    def end(self) -> Problem:
        return ended(self.child, words(self.child.last_words()))

    async def close(self) -> int:
        """Returns how many live connections have ended with it, also those that it had not come to, as far as the system
        tells; our own probes are left out."""
        ours, running = self._prober.leaving, self.child.running
        self._prober.close()
        lost = 0
        if running:
            lost = len(process_identity.children(self.child.pid)) + accept_queue(
                self.address, self._dialer.port
            )
        await self.child.stop(_GRACE)
        return max((lost if running else self.child.ended_with_it) - ours, 0)

    async def give_port_back(self) -> int:
        """Returns how many connections it had not come to: nobody does now."""
        waiting = accept_queue(self.address, self._dialer.port) if self.child.running else 0
        await self.child.stop_leader(_GRACE)
        return waiting

    def new_and_slow(self) -> bool:
        """A connection lives since the last look and was not told of yet. Our own probes do not count."""
        now = process_identity.children(self.child.pid)
        if self._prober.leaving or self._asking:
            self._known |= now
        slow = (now & self._seen) - self._known
        self._seen, self._known = now, (self._known & now) | slow
        return bool(slow)

    @property
    def used(self) -> bool:
        return bool(self._seen)

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


class Losses:
    """Connections that socat told to have ended badly by the far side, each once, and those that ended with it."""

    def __init__(self) -> None:
        self.count = 0
        self._asked_at = 0
        self._told: deque[int] = deque(maxlen=_TOLD)
        self._more = Broadcast()

    def hear(self, line: str) -> None:
        """A line of socat's. The first of a connection counts: its client may have begun."""
        told = ending(line)
        if told is None or told[0] in self._told:
            return
        pid, by_far_side = told
        self._told.append(pid)
        if by_far_side:
            self.add(1)

    def add(self, connections: int) -> None:
        if connections:
            self.count += connections
            self._more.notify_all()

    async def more(self, seconds: float) -> bool:
        """Wait so long; whether there are more since we were asked last."""
        if self.count <= self._asked_at:
            await self._more.wait(seconds)
        grown, self._asked_at = self.count > self._asked_at, self.count
        return grown


class SocatTunnel:
    """`behind`: the node port itself, as it is without socat."""

    dialer: Dialer | None = None

    def __init__(self, behind: NodePortTunnel, port: int) -> None:
        self.endpoint = behind.endpoint
        self.local_port = port
        self.pid: int | None = None
        self.losses = Losses()
        self._closed = False
        self._behind = behind
        self._behind.retarget((behind.endpoint,))
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
        """Returns when each address leads to a far side that stands it. Raises KfwError."""
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
        await self._without_counting(self._sockets[0].probe())

    async def examine(self, *, soon: bool) -> Examination:
        """socat itself, and the node port behind it without socat, as that takes each connection and ends it by itself."""
        probes = (error_of(self._without_counting(socket.prove(soon=soon))) for socket in self._sockets)
        behind, found = await asyncio.gather(self._behind.examine(soon=soon), asyncio.gather(*probes))
        ill = tuple(error for error in found if error is not None)
        if ill and not behind.errors:
            return Examination(ill, "socat")
        refused = all(error.reason == Reason.APP_REFUSES for error in behind.errors)
        return replace(behind, apart=behind.apart or refused)  # another socat would not be better off

    async def _without_counting(self, probe: Awaitable[None]) -> None:
        """A probe that fails is not a connection of a client's, but socat's line does not tell."""
        before = self.losses.count
        try:
            await probe
        except KfwError:
            self.losses.count = max(self.losses.count - 1, before)
            raise

    @property
    def lost(self) -> int:
        return self.losses.count

    async def suspected(self) -> Hint:
        while True:
            if await self.losses.more(LOOK if any(socket.used for socket in self._sockets) else LOOK_UNUSED):
                return Hint.ALL
            if any(socket.child.stopped for socket in self._sockets):
                return Hint.ALL
            slow = [socket.new_and_slow() for socket in self._sockets]  # each has a look
            if any(slow):
                return Hint.SOME

    async def give_port_back(self) -> None:
        """socat's listener ends; what it has forked for live connections goes on, each closing its copy of the port."""
        self.losses.add(sum(await asyncio.gather(*(socket.give_port_back() for socket in self._sockets))))

    async def wait_until_unused(self) -> None:
        # They are not our children, so nobody tells.
        while any(socket.child.left_behind() for socket in self._sockets):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_UNUSED)

    async def close(self) -> None:
        """Ends the listeners and the processes of live connections; then the port is free."""
        closing = asyncio.gather(*(socket.close() for socket in self._sockets))
        lost, _ = await asyncio.gather(closing, self._behind.close())
        if not self._closed:
            self._closed = True
            self.losses.add(sum(lost))


def _in_use(port: int) -> PortInUse:
    who = local_ports.holder(port) or "another program"
    return PortInUse(f"cannot listen on {port}: {who} has it", "free it, or choose another localPort")


def _free(forward: Forward) -> tuple[list[str], int]:
    """The addresses that this machine has, and the port, just seen free on all of them. Raises PortInUse."""
    sockets, port = local_ports.bind(forward.addresses, forward.local_port)
    addresses = [str(sock.getsockname()[0]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return addresses, port
