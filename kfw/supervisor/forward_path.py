"""What carries one forward: the local port, the path in use, and the paths that still drain."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from socket import socket
from typing import Any, cast

from kfw.choices import has_own_address
from kfw.errors import KfwError, PortInUse, Shortage
from kfw.methods.base import CountsLosses, HasOwnAddress, MayStand, Method, OwnsPort, Tunnel
from kfw.methods.choose import (
    Methods,
    OpenPath,
    answers_for_pods,
    endpoints_for,
    open_path,
    owned_by_child,
)
from kfw.methods.eof_behaviour import EofBehaviour
from kfw.model import Endpoint, Forward, Resolution
from kfw.names import RowName
from kfw.relay.dialer import Dialer
from kfw.relay.listener import NULL_OBSERVER, ConnectionObserver, Listener
from kfw.relay.suspicion import Hint
from kfw.supervisor.inheritance import Inheritance
from kfw.supervisor.moved_ports import MovedPorts
from kfw.supervisor.tasks import Tasks
from kfw.system import local_ports

#: Seconds that a path outlives its last connection: so long the far side hands on what it has.
LAST_BYTES = 2.0


class ForwardPath:
    def __init__(
        self,
        forward: Forward,
        methods: Methods,
        claims: dict[int, str],
        knock: Callable[[], None],
        log: logging.Logger,
        *,
        bind: local_ports.Bind = local_ports.bind,
        watcher: ConnectionObserver = NULL_OBSERVER,
        environ: Callable[[], Mapping[str, str] | None] = lambda: None,
        on_hint: Callable[[Hint], None] = lambda _: None,
        inheritance: Inheritance | None = None,
        name: RowName | None = None,
        owners: dict[tuple[str, int], RowName] | None = None,
        moved_ports: MovedPorts | None = None,
    ) -> None:
        """`environ`: that of whoever wants the forward now. `on_hint`: see Listener. `name`: for log lines.
        `owners`: whose each listener is, by address and port."""
        self.forward = forward
        self.name = name or RowName(forward.id, lambda row: row.name)
        self.methods = methods
        self.listener: Listener | None = None  # None: a child owns the port
        self.port = 0 if has_own_address(forward.method) else forward.local_port
        self.addresses: tuple[str, ...] = ()
        self.names: tuple[str, ...] = ()  # of this machine's hosts file
        self.active: OpenPath | None = None
        self.restarts = 0  # paths adopted after the first
        self.last: Endpoint | None = None
        self._fresh: OpenPath | None = None
        self._trying: frozenset[Endpoint] = frozenset()
        self._trying_in = 0
        self._drains = 0
        self._draining = Tasks(
            forward.name,
            lambda error: log.error("%s: an old path was not closed properly", self.name, exc_info=error),
        )
        self._claims = claims
        self._owners = {} if owners is None else owners
        self._knock = knock
        self._log = log
        self._bind = bind
        self._watcher = watcher
        self._environ = environ
        self._on_hint = on_hint
        self._inheritance = inheritance or Inheritance()
        self._moved_ports = moved_ports or MovedPorts()
        self._manners: dict[str, EofBehaviour] = {}  # by method
        self._avoided: Endpoint | None = None
        self._old: list[Tunnel] = []  # they drain
        self._past_losses = 0  # of paths without a listener that are closed

    def bind(self) -> None:
        """Take the local port. Raises PortInUse and binds nothing."""
        if has_own_address(self.forward.method):
            return
        before = self._moved_ports.of(self.forward)
        sockets = self._inheritance.take(self.forward.id)
        if sockets:
            self.port = sockets[0].getsockname()[1]
        else:
            sockets, self.port = self._bind_again(before) or self._bind_new(self.forward.local_port)
        if not owned_by_child(self.methods, self.forward):
            local_ports.keep_or_close(sockets, self.port)
        self.addresses = tuple(str(s.getsockname()[0]) for s in sockets)
        self._say_where(before)
        self._moved_ports.put(self.forward, self.port)
        if owned_by_child(self.methods, self.forward):
            _give_back(sockets)  # it was free; now it is the child's to bind, and nobody else's here
            self._claims[self.port] = f"the forward '{self.name}'"
            return
        self.listener = Listener(
            self.name,
            sockets,
            hold=self.forward.hold,
            hold_refused=self.forward.hold_refused,
            on_knock=self._knock,
            log=self._log,
            watcher=self._watcher,
            on_hint=self._on_hint,
        )
        for address in self.addresses:
            self._owners[address, self.port] = self.name
        self._inheritance.start(self.listener)

    def has_taken(self, port: int) -> bool:
        """It listens there, or a child of it does."""
        return self.port == port and bool(self.addresses)

    def _bind_new(self, wanted: int) -> tuple[list[socket], int]:
        """Raises PortInUse: of two forwards that want one port the second is told which one has it."""
        try:
            return self._bind(
                self.forward.addresses,
                wanted,
                on_port_in_use=self.forward.on_port_in_use,
                claims=self._claims,
            )
        except PortInUse as error:
            if owner := self._owner_of(wanted):
                raise PortInUse(f"cannot listen on {wanted}: {owner} has it", error.fix) from error
            raise

    def _owner_of(self, port: int) -> str:
        """ "" where it is not one of kfw's own."""
        owners = (self._owners.get((address, port)) for address in self.forward.addresses)
        return next((f"the forward '{owner}'" for owner in owners if owner), "")

    def _bind_again(self, before: int | None) -> tuple[list[socket], int] | None:
        """Where it was moved to before; None: nowhere, or that is taken by now."""
        if before is None:
            return None
        try:
            return self._bind(self.forward.addresses, before, claims=self._claims)
        except PortInUse:
            return None

    def _say_where(self, before: int | None) -> None:
        """A port is never another one than expected without a word."""
        name, wanted = self.name, self.forward.local_port
        if before == self.port:
            self._log.info("%s: on %d as before, not on %d", name, self.port, wanted)
        elif before or wanted not in (0, self.port):
            missed = before or wanted
            who = (
                self._claims.get(missed)
                or self._owner_of(missed)
                or local_ports.holder(missed)
                or "another program"
            )
            as_before = " as before" if before else ""
            self._log.warning("%s: on %d, not on %d%s: %s has it", name, self.port, missed, as_before, who)

    async def open(self, resolution: Resolution) -> None:
        """Make a path ready for `activate`. The one in use is kept if it still carries. Raises KfwError."""
        if (
            self.active
            and self.retarget(resolution)
            and await _carries(self.active.tunnel, self.active.method)
        ):
            return
        if self.listener is None:
            await self.retire()  # the child must give the port back first
        self._trying = frozenset((*resolution.pods, *resolution.nodes))
        self._trying_in = resolution.cluster
        resolution = last(self._avoided, resolution)
        moved = self.port != self.forward.local_port
        forward = replace(self.forward, local_port=self.port) if moved else self.forward
        self._fresh = await open_path(
            self.methods, forward, resolution, self._environ(), self.eof_behaviour, self.name
        )

    def retarget(self, resolution: Resolution) -> bool:
        """The path in use goes on with what the target is now, or one of the endpoints just tried is still there."""
        if self.active:
            if self.active.cluster != resolution.cluster and (resolution.pods or resolution.nodes):
                return False
            return self.active.tunnel.retarget(endpoints_for(self.active.method, resolution))
        return self._trying_in == resolution.cluster and not self._trying.isdisjoint(
            (*resolution.pods, *resolution.nodes)
        )

    def activate(self) -> OpenPath | None:
        """The path just opened is the path now; the one before carries its live connections to their end."""
        fresh, self._fresh = self._fresh, None
        if fresh:
            self._avoided = None
            if self.active:
                self._drain(self.active.tunnel)
            self.restarts += 1 if self.last else 0
            self.active, self.last = fresh, fresh.tunnel.endpoint
            self._take_place(fresh.tunnel)
        if self.active and self.listener:
            self.listener.use(self.active.tunnel.dialer)
        return self.active

    def _take_place(self, tunnel: Tunnel) -> None:
        place = tunnel.local if isinstance(tunnel, HasOwnAddress) else None
        if place:
            self.addresses, self.port, self.names = (place.address,), place.port, place.names

    def avoid_active(self) -> None:
        """Where the path in use goes: the next one goes there only if it can go nowhere else."""
        self._avoided = self.active.tunnel.endpoint if self.active else None

    def eof_behaviour(self, method: Method) -> EofBehaviour:
        """What its paths have learned of the app."""
        return self._manners.setdefault(method.name, EofBehaviour())

    @property
    def answered(self) -> int:
        """Connections of clients that the far side has answered, as far as that is seen here."""
        return self.listener.suspicion.answers if self.listener else 0

    @property
    def has_no_room(self) -> bool:
        """See Listener."""
        return self.listener is not None and self.listener.has_no_room

    @property
    def lost_connections(self) -> int:
        """Ended by the path or given up, whoever owns the port."""
        tunnels = [*self._old, self.active.tunnel] if self.active else self._old
        now = sum(map(_losses, tunnels))
        return self._past_losses + now + (self.listener.failed_connections if self.listener else 0)

    @property
    def waiting(self) -> int:
        """Connections that wait for a path."""
        return self.listener.waiting if self.listener else 0

    def hold(self, why: str, *, refused: bool = False) -> None:
        """New connections wait, `refused` ones not for long; live ones go on."""
        if self.listener:
            self.listener.use(None, why, refused=refused)

    async def close_pending(self) -> None:
        """Close what was opened and not adopted."""
        fresh, self._fresh = self._fresh, None
        if fresh:
            await fresh.tunnel.close()

    async def retire(self) -> None:
        """There is no path in use any more: new connections wait. What lives on the one that was goes on to its end, unless
        it is broken."""
        old, self.active = self.active, None
        if old is None:
            return
        self.hold("the path broke, and no other one is open yet")
        if isinstance(old.tunnel, OwnsPort):
            await old.tunnel.give_port_back()
        self._drain(old.tunnel)

    @property
    def carries_somebody(self) -> bool:
        """Connections live, also on paths that drain."""
        return bool(self._old) or (self.listener is not None and self.listener.connections > 0)

    def _drain(self, tunnel: Tunnel) -> None:
        self._drains += 1
        self._old.append(tunnel)
        self._draining.start(f"drain {self._drains}", self._drain_one(tunnel))

    async def _drain_one(self, tunnel: Tunnel) -> None:
        try:
            await _drain(tunnel, self.listener)
        finally:
            self._old.remove(tunnel)
            self._past_losses += _losses(tunnel)

    async def end(self) -> None:
        """Close all, also what drains; each is ended, whatever becomes of the others."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._leave_port)
            stack.push_async_callback(self._draining.end)
            stack.push_async_callback(self._close_active)
            stack.push_async_callback(self.close_pending)

    async def _close_active(self) -> None:
        old, self.active = self.active, None
        if old:
            try:
                await old.tunnel.close()
            finally:
                self._past_losses += _losses(old.tunnel)

    async def _leave_port(self) -> None:
        if self.listener:
            for address in self.addresses:
                if self._owners.get((address, self.port)) is self.name:
                    del self._owners[address, self.port]
            await self.listener.close()
        elif self.addresses and not has_own_address(self.forward.method):
            self._claims.pop(self.port, None)


def last(endpoint: Endpoint | None, resolution: Resolution) -> Resolution:
    """With this one behind all others."""
    if endpoint is None:
        return resolution
    pods, nodes = (
        tuple(sorted(some, key=lambda one: one == endpoint)) for some in (resolution.pods, resolution.nodes)
    )
    return replace(resolution, pods=pods, nodes=nodes)


def _losses(tunnel: Tunnel) -> int:
    """`isinstance` of a protocol takes as long as all the rest of a status, of which there are many."""
    return cast(CountsLosses, tunnel).lost if hasattr(tunnel, "lost") else 0


def _give_back(sockets: list[socket]) -> None:
    for bound in sockets:
        bound.close()


async def _carries(tunnel: Tunnel, method: Method) -> bool:
    """Raises KfwError(app-refuses) when its pods say so: no other path leads to other ones. Raises Shortage."""
    try:
        await tunnel.probe()
    except Shortage:
        raise
    except KfwError as error:
        if answers_for_pods(method, error):
            raise
        return False
    return True


async def _drain(tunnel: Tunnel, listener: Listener | None) -> None:
    """Until its last connection has ended by itself, or it breaks; then it is closed."""
    try:
        tunnel.retarget(())  # nothing is kept ready for who comes next
        if isinstance(tunnel, MayStand) and tunnel.stands:
            return
        if isinstance(tunnel, OwnsPort):
            await tunnel.wait_until_unused()
        elif listener and tunnel.dialer:
            await _first(tunnel.broken(), _unused(listener, tunnel.dialer))
    finally:
        await tunnel.close()


async def _unused(listener: Listener, dialer: Dialer) -> None:
    if listener.is_used(dialer):
        await listener.wait_until_unused(dialer)
        await asyncio.sleep(LAST_BYTES)


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait for one, and end the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
