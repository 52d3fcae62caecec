"""One supervised kubefwd for all forwards of a profile: started for the first, ended with the last, started again when it is
to forward something that it was not told of."""

import asyncio
import json
import logging
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from kfw.aio import Broadcast
from kfw.errors import KfwError, TimedOut, ToolMissing
from kfw.methods.base import LocalPlace
from kfw.methods.kubefwd import command_line, root_side
from kfw.methods.kubefwd.command_line import OLDEST, KubefwdVersion, ServiceSelection
from kfw.methods.kubefwd.output import Announced, announced, end_of, is_worth_a_look, level, masked
from kfw.methods.kubefwd.root_access import RootAccess
from kfw.methods.supervised import logged
from kfw.model import Endpoint, Forward, Problem, problem_of
from kfw.reasons import Attempts
from kfw.system import port_owner
from kfw.system.files import make_private_dir, read_bounded, write_atomic
from kfw.system.process import Child, Children
from kfw.system.tools import find

log = logging.getLogger("kfw.forward")

#: Seconds in which forwards that come up together gather, so that kubefwd is started once for all of them.
GATHER = 0.2
#: Seconds that its last user's end is looked at, for one that only opens again.
_LINGER = 0.2
#: Seconds that it gets to end: the root side ends it after 15 by itself, and then cleans up.
_TO_END = root_side.GRACE + 3.0
#: Seconds for which a failure that needs a person is the answer for those who come after it.
_FAILED_HOLDS = 3.0
#: Seconds until names that were heard of are written down for the next run, together.
_WRITE_AFTER = 0.2
#: Seconds for `kubefwd version`.
_VERSION_SECONDS = 5.0
#: Seconds between two looks at who listens, for all forwards of one kubefwd.
LOOK = 1.0
#: Lines that are kept to say why it ended.
_TAIL = 30
_LISTEN = 0x0A


class _Failure(NamedTuple):
    at: float
    problem: Problem


class SharedKubefwd:
    """`users` are the tunnels that go through it, with their forwards, in the order in which they came."""

    def __init__(self, name: str, base: int, children: Children, root: RootAccess, folder: Path) -> None:
        self.name = name
        self.base = base
        self.users: dict[object, Forward] = {}
        #: Since when a forward does not carry, by the loop's time; and those that kubefwd was started again for since.
        self.down: dict[str, float] = {}
        self.restarted_for: set[str] = set()
        self.news = Broadcast()
        self.hints = 0  # lines so far that make it worth to look
        self.started_at = 0.0
        self._children = children
        self._root = root
        file = re.sub(r"[^\w.-]", "_", name)[:80]
        self._reservations = folder / f"{file}-{base}.yaml"
        self._names_file = folder / f"{file}-{base}.json"
        self._turn = asyncio.Lock()
        self._child: Child | None = None
        self._runs = ServiceSelection("", ())
        self._reserved: dict[tuple[str, str], str] = {}
        self._announced: dict[tuple[str, str, int], Announced] = {}
        self._pairs: set[tuple[str, str]] = set()
        self._writing: asyncio.TimerHandle | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._failed: _Failure | None = None
        self._listening: tuple[float, frozenset[tuple[str, int]]] = (float("-inf"), frozenset())

    # -- life

    async def running(self, asked_at: float, environ: Mapping[str, str] | None) -> Child:
        """The one that forwards what its users want, started if need be. Raises KfwError.

        `asked_at`: by the loop's time; what has failed since then is not tried again for this one."""
        async with self._turn:
            self._raise_failure(asked_at)
            if self._child is None:
                await asyncio.sleep(GATHER)
            wanted = selection(self.users.values(), self._runs.namespaces)
            there = self._child
            if there and not there.over.done() and covers(self._runs, wanted):
                return there
            await self._stop()
            try:
                return await self._start(wanted, environ)
            except KfwError as error:
                self._failed = _Failure(_now(), problem_of(error))
                raise

    async def restart(self, child: Child, why: str) -> None:
        """End this one, so that who needs it starts another; if another runs already, that was it."""
        async with self._turn:
            if child is self._child and not child.over.done():
                log.warning("kubefwd of %s is started again: %s", self.name, why)
                await self._stop()

    async def leave(self, user: object) -> bool:
        """The last one ends it, unless somebody comes in the same moment. Returns whether it is over."""
        self.users.pop(user, None)
        if not self.users:
            await asyncio.sleep(_LINGER)
            async with self._turn:
                if not self.users:
                    await self._stop()
                    return True
        return False

    def end(self, child: Child) -> Problem:
        """Of one that nobody told to end."""
        seconds = (child.ended_at or _now()) - self.started_at
        problem = end_of(child.over.result(), seconds, "\n".join(self._tail))
        problem = self._root.with_fix(problem)
        self._failed = _Failure(child.ended_at or _now(), problem)
        return problem

    def _raise_failure(self, asked_at: float) -> None:
        if self._failed is None:
            return
        parked = self._failed.problem.reason.traits.attempts is Attempts.PARKED
        if asked_at < self._failed.at + (_FAILED_HOLDS if parked else 0.0):
            problem = self._failed.problem
            raise KfwError(problem.message, problem.fix, reason=problem.reason)

    async def _start(self, wanted: ServiceSelection, environ: Mapping[str, str] | None) -> Child:
        env = dict(os.environ if environ is None else environ)
        binary = find("kubefwd", env.get("PATH", os.defpath))
        command = self._root.command(self.name)
        version = await self._version(binary, environ)
        self._reserve()
        line = command_line.argv(binary, version, wanted, str(self._reservations), self._root.hosts)
        if len(wanted.kubeconfig) > 1:
            env["KUBECONFIG"] = os.pathsep.join(wanted.kubeconfig)
        left = _read_pairs(self._names_file)
        self._runs, self._pairs = wanted, set()
        self._announced.clear()
        self._tail.clear()
        label = f"kubefwd {self.name}"
        child = await self._children.start(command, label=label, base=env, on_line=self._hear, stdin=True)
        self._child, self.started_at = child, _now()
        spec = {"argv": line, "env": env, "hosts": self._root.hosts, "left": sorted(left)}
        child.tell(json.dumps(spec).encode(errors="surrogateescape") + b"\n")
        return child

    async def _stop(self) -> None:
        """Who is cancelled leaves it to end by itself: its stdin is at the end."""
        child, self._child = self._child, None
        if child is None:
            return
        child.tell_end()
        with suppress(TimeoutError):
            async with asyncio.timeout(_TO_END):
                await child.wait()
        await child.stop(1.0)
        if self._writing:
            self._writing.cancel()
            self._writing = None
        code = child.over.result() if child.over.done() else -1
        if code == 0 or (
            code > 0 and self._pairs
        ):  # else the root side was killed, or never ran: they may be there
            with suppress(OSError):
                self._names_file.unlink(missing_ok=True)

    async def _version(self, binary: str, environ: Mapping[str, str] | None) -> KubefwdVersion:
        """Raises ToolMissing: it is too old, or does not say."""
        said: list[str] = []
        line = [binary, "version", "quiet"]
        child = await self._children.start(
            line, label=f"kubefwd {self.name}", base=environ, on_line=lambda _, line: said.append(line)
        )
        try:
            async with asyncio.timeout(_VERSION_SECONDS):
                await child.wait()
        except TimeoutError:
            raise TimedOut(f"kubefwd version did not answer within {_VERSION_SECONDS:g} s") from None
        finally:
            await child.stop(0.5)
        version = command_line.version_of("\n".join(said[:50]))
        if version is None:
            raise ToolMissing("kubefwd version names no version", f"install kubefwd {OLDEST} or newer")
        if version < OLDEST:
            raise ToolMissing(f"kubefwd {version} is too old", f"install kubefwd {OLDEST} or newer")
        return version

    def _reserve(self) -> None:
        """An address for each service that is expected. Those it has keep theirs."""
        for key in sorted({(forward.target.name, forward.namespace) for forward in self.users.values()}):
            address = command_line.address_for(self.base, *key, self._reserved.values())
            if key not in self._reserved and address:
                self._reserved[key] = address
        listed = [(service, where, address) for (service, where), address in self._reserved.items()]
        make_private_dir(self._reservations.parent)
        write_atomic(self._reservations, command_line.reservations(self.base, listed).encode())

    # -- what it says

    def _hear(self, stream: str, line: str) -> None:
        line = masked(line)
        logged(self.name, "kubefwd", level)(stream, line)
        self._tail.append(line)
        if found := announced(line):
            self._on_announced(found)
        if found or is_worth_a_look(line):
            self.hints += not found
            self.news.notify_all()

    def _on_announced(self, found: Announced) -> None:
        namespaces = self._runs.namespaces
        service, _, where = found.host.rpartition(".")
        if (
            not service or where not in namespaces
        ):  # of the first namespace, or a pod of a headless service there
            service, where = found.host, namespaces[0]
        self._announced[service, where, found.pod_port] = found
        in_first = where == namespaces[0]
        names = command_line.names_of(service, where, self._runs.context, in_first=in_first)
        new = {(found.ip, name) for name in names} - self._pairs
        if new and self._child:
            self._pairs |= new
            for pair in sorted(new):
                self._child.tell(json.dumps(pair).encode() + b"\n")
            if self._writing is None:
                self._writing = asyncio.get_running_loop().call_later(_WRITE_AFTER, self._write_pairs)

    def _write_pairs(self) -> None:
        self._writing = None
        try:
            write_atomic(self._names_file, json.dumps(sorted(self._pairs)).encode())
        except KfwError as error:
            log.warning("%s: %s; if kfw is killed, its names may stay in /etc/hosts", self.name, error.what)

    # -- where forwards are

    def place_of(self, forward: Forward, pods: Iterable[Endpoint]) -> LocalPlace | None:
        """As kubefwd has said, else as it was told; None: not known yet."""
        where = forward.target.name, forward.namespace
        told = self.announced_for(forward, pods)
        in_first = self._runs.namespaces[:1] == (forward.namespace,)
        names = command_line.names_of(*where, forward.context, in_first=in_first)
        if told:
            return LocalPlace(told.ip, told.port, names)
        if where in self._reserved and isinstance(forward.target_port, int):
            return LocalPlace(self._reserved[where], forward.target_port, names)
        return None

    def announced_for(self, forward: Forward, pods: Iterable[Endpoint]) -> Announced | None:
        where = forward.target.name, forward.namespace
        keys = ((*where, pod.port) for pod in pods)
        return next((self._announced[key] for key in keys if key in self._announced), None)

    def seems_to_listen(self, place: LocalPlace) -> bool:
        """As the system's tables say, which are looked at for all forwards at once; where there are none, yes."""
        if sys.platform != "linux":
            return True
        if _now() - self._listening[0] > LOOK / 2:
            block = f"127.{self.base}."
            rows = (row for row in port_owner.rows() if row.state == _LISTEN)
            seen = ((str(row.address), row.port) for row in rows)
            self._listening = _now(), frozenset(one for one in seen if one[0].startswith(block))
        mine = place.address.startswith(f"127.{self.base}.")
        return not mine or (place.address, place.port) in self._listening[1]


class SharedKubefwds:
    """Of this daemon, by profile, cluster and config."""

    def __init__(self, children: Children, root: RootAccess, folder: Callable[[], Path]) -> None:
        self._children = children
        self._root = root
        self._folder = folder
        self._all: dict[tuple[Any, ...], SharedKubefwd] = {}

    def of(self, forward: Forward) -> SharedKubefwd:
        """Raises KfwError where there are too many."""
        key = forward.source, forward.profile, forward.context, forward.kubeconfig
        if key not in self._all:
            name = forward.profile or forward.context or "kubefwd"
            try:
                base = command_line.base_for(repr(key), {one.base for one in self._all.values()})
            except LookupError as error:
                raise KfwError(f"cannot start another kubefwd: {error}") from error
            self._all[key] = SharedKubefwd(name, base, self._children, self._root, self._folder())
        return self._all[key]

    async def leave(self, shared: SharedKubefwd, user: object) -> None:
        if await shared.leave(user) and not shared.users:
            self._all = {key: one for key, one in self._all.items() if one is not shared}


def selection(forwards: Iterable[Forward], before: tuple[str, ...] = ()) -> ServiceSelection:
    """Of all of these. Namespaces stay in the order they have: the names without one are those of the first."""
    forwards = list(forwards)
    wanted = dict.fromkeys(forward.namespace for forward in forwards)
    first = forwards[0]
    namespaces = tuple(dict.fromkeys([*(one for one in before if one in wanted), *wanted]))
    services = frozenset(forward.target.name for forward in forwards)
    return ServiceSelection(first.context, namespaces, services, kubeconfig=first.kubeconfig)


def covers(runs: ServiceSelection, wanted: ServiceSelection) -> bool:
    """What runs forwards all of `wanted`, and maybe more."""
    same = (runs.context, runs.kubeconfig, runs.labels, runs.excluded) == (
        wanted.context,
        wanted.kubeconfig,
        wanted.labels,
        wanted.excluded,
    )
    return (
        same
        and set(wanted.namespaces) <= set(runs.namespaces)
        and command_line.fields(runs) in ("", command_line.fields(wanted))
    )


def _read_pairs(file: Path) -> list[tuple[str, str]]:
    """Of a run that could not clean up. What makes no sense is left alone."""
    try:
        read = json.loads(read_bounded(file))
        return [(str(address), str(name)) for address, name in read]
    except (OSError, ValueError, TypeError):
        return []


def _now() -> float:
    return asyncio.get_running_loop().time()
