"""The two protocols of this family: a Method opens a Tunnel; a Tunnel carries connections until it breaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from kfw.errors import KfwError
from kfw.methods.eof_behaviour import EofBehaviour
from kfw.model import Endpoint, Forward, Problem
from kfw.names import RowName
from kfw.relay.dialer import Dialer
from kfw.relay.suspicion import Hint


@dataclass(frozen=True)
class OpenRequest:
    """Where to go: the forward, and the endpoints of the kind the method wants, by preference, never empty.

    `sticky`: session affinity, or no service, so this machine stays with one pod as long as that is there. `environ`:
    that of whoever wants the forward, for children; None is this process's own. `eof_behaviour`: what earlier paths of this
    method have learned. `row_name`: see `name`.
    """

    forward: Forward
    endpoints: tuple[Endpoint, ...]
    sticky: bool = False
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    eof_behaviour: EofBehaviour = field(default_factory=EofBehaviour, compare=False, repr=False)
    row_name: RowName | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str | RowName:
        """Of the forward, for log lines."""
        return self.row_name or self.forward.name


class Tunnel(Protocol):
    """An open path. It has carried something end to end before `Method.open` returns it."""

    #: What kfw's listener dials; None when the method owns the local port itself (socat).
    dialer: Dialer | None
    #: The child that carries it, if there is one.
    pid: int | None

    @property
    def endpoint(self) -> Endpoint:
        """Where it goes; of several that take turns, one."""
        ...

    def retarget(self, endpoints: tuple[Endpoint, ...]) -> bool:
        """The target's endpoints of the method's kind are these now. False: this path must be opened again for them."""
        ...

    async def broken(self) -> Problem:
        """Wait until the path is broken, for ever if need be, and say why in the tool's own words."""
        ...

    async def probe(self) -> None:
        """Prove again that it carries something end to end, by the forward's health settings. Raises KfwError."""
        ...

    async def close(self) -> None:
        """End what it started. Harmless twice."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A tunnel that can tell more of itself than the protocol asks for."""

    @property
    def how(self) -> str:
        """By what means it goes to its endpoint, in words."""
        ...

    async def round_trip(self) -> float:
        """Seconds to the far end and back, without touching the app. Raises KfwError."""
        ...


@runtime_checkable
class TellsRefusals(Protocol):
    """A tunnel that knows when every pod has refused a connection. `probe` then asks the app itself."""

    async def refused(self) -> Problem:
        """Wait until that has happened since the last good probe, for ever if need be."""
        ...


@dataclass(frozen=True)
class Examination:
    """Probes made at the same time: what each has found, None where all is well. `name`: of what was probed, for people.

    `apart`: what failed is behind the path, so a new path would lead to the same.
    """

    found: tuple[KfwError | None, ...]
    name: str
    apart: bool = False

    @property
    def errors(self) -> tuple[KfwError, ...]:
        return tuple(error for error in self.found if error is not None)


@runtime_checkable
class ProvesApp(Protocol):
    """A tunnel that can prove that connections are answered, not only taken."""

    async def examine(self, *, soon: bool) -> Examination:
        """`soon`: something is wrong, so several at once, and within 1.5 s; else as a health check, and patient. Raises
        Shortage."""
        ...


@runtime_checkable
class CountsLosses(Protocol):
    """A tunnel whose connections are not kfw's, and that knows of those that were lost."""

    @property
    def lost(self) -> int:
        """So far; it may go on growing until it is closed."""
        ...

    async def suspected(self) -> Hint:
        """Wait until another one is lost, or something else says that it is worth to look at the path now."""
        ...


@runtime_checkable
class MayStand(Protocol):
    """A tunnel whose connections all stand still while its child is stopped."""

    @property
    def stands(self) -> bool: ...


@runtime_checkable
class OwnsPort(Protocol):
    """A tunnel of a method that binds the local port itself."""

    async def give_port_back(self) -> None:
        """Take no new connections: the port is free afterwards. Live ones go on."""
        ...

    async def wait_until_unused(self) -> None:
        """Until the last live one has ended, once the port has been given back."""
        ...


@dataclass(frozen=True)
class LocalPlace:
    """Where a forward is on this machine. `names`: of the hosts file, shortest first."""

    address: str
    port: int
    names: tuple[str, ...] = ()


@runtime_checkable
class HasOwnAddress(Protocol):
    """A tunnel of a method that chooses where to listen (MethodTraits.own_address)."""

    @property
    def local(self) -> LocalPlace | None:
        """None: it is not known yet."""
        ...


@runtime_checkable
class Warns(Protocol):
    """A tunnel that carries, and has something to tell all the same."""

    @property
    def warning(self) -> str:
        """A sentence; "" most of the time."""
        ...


class Method(Protocol):
    name: str
    wants: Literal["pod", "node"]
    #: True: the method binds the local port itself; False: kfw's listener does and dials the tunnel.
    owns_port: bool
    #: True: its child logs in by itself, and a login plugin may ask a person then.
    logs_in: bool

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        """The tool it needs and does not find on the PATH of `environ`, with the line that installs it."""
        ...

    async def open(self, request: OpenRequest) -> Tunnel:
        """Raises KfwError (its `reason` says which) after ending whatever was half started."""
        ...
