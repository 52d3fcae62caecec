"""The whole: this machine, then each cluster that is meant, then each forward; those of one cluster at the same time."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from kfw.doctor.asking import OnHop, ask_in_order
from kfw.doctor.cluster_hops import ClusterHops
from kfw.doctor.forward_hops import ForwardHops, ask_rights
from kfw.doctor.hops import HOPS, Hop, Scope, Section, fault_of, hops_of, unasked
from kfw.doctor.subjects import ANY, meant
from kfw.doctor.this_machine import ThisMachine, needed_tools
from kfw.environ import Environs
from kfw.errors import KfwError, TimedOut, UsageError
from kfw.kube.api_server import ApiServer
from kfw.kubeconfig.load import Kubeconfigs
from kfw.kubeconfig.pin import pin
from kfw.model import Forward
from kfw.names import RowId
from kfw.system import tools
from kfw.system.files import outside
from kfw.target.registry import ClusterRegistry

#: Forwards that are looked at, at the same time.
_AT_ONCE = 8
_PIN, _READING = HOPS[Hop.KUBECONFIG].seconds, HOPS[Hop.KUBECONFIG].doing


@dataclass(frozen=True)
class DoctorQuestion:
    """`names`: forwards, profiles or patterns; none: all that are enabled. `flags` as in config.layers.load."""

    names: Sequence[str] = ()
    config_files: Sequence[Path] = ()
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Cluster:
    """`failure`: why it cannot be said where it is. `forwards` are pinned."""

    name: str
    failure: KfwError | None = None
    forwards: list[Forward] = field(default_factory=list)


async def examine(
    question: DoctorQuestion, on_hop: OnHop, say: Callable[[str], None]
) -> AsyncGenerator[Section, None]:
    """Each section when it is complete, in order. Raises UsageError for a name that nothing has."""
    machine = ThisMachine(question.config_files, question.flags)
    section = await ask_in_order(Scope.MACHINE, "", {Hop.FILES: machine.files}, on_hop)
    if machine.settings is None:
        yield section + unasked(Scope.MACHINE, "", [Hop.TOOLS])
        return
    forwards = meant(question.names, machine.settings, machine.rows or {}, question.flags)
    section += await ask_in_order(Scope.MACHINE, "", {Hop.TOOLS: lambda: machine.tools(forwards)}, on_hop)
    yield section
    without = {
        name for tool, names in needed_tools(forwards).items() if tools.missing(tool) for name in names
    }
    for name in sorted(without):
        yield unasked(Scope.FORWARD, name)
    environs = Environs(os.environ, known=True)
    async with ClusterRegistry(environs=environs) as registry:
        clusters = await _by_cluster([one for one in forwards if one.name not in without])
        visits = [_Visit(registry, machine, environs, on_hop, say).sections(one) for one in clusters]
        tasks = [asyncio.create_task(visit) for visit in visits]
        try:
            for task in tasks:
                for found in await task:
                    yield found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _by_cluster(forwards: Sequence[Forward]) -> list[_Cluster]:
    """Each kubeconfig and context is looked up once, off the event loop."""
    groups: dict[object, list[Forward]] = {}
    for forward in forwards:
        group = groups.setdefault((forward.kubeconfig, forward.context), [])
        group.append(replace(forward, enabled=True))
    found: dict[object, _Cluster] = {}
    for number, group in enumerate(groups.values()):
        try:
            pinned = await outside(partial(pin, group, os.environ.get("KUBECONFIG")), _PIN)
        except (UsageError, TimeoutError) as why:
            error = why if isinstance(why, UsageError) else TimedOut(f"{_READING} takes more than {_PIN:g} s")
            found[number] = _Cluster(group[0].context or "of the current context", error, group)
        else:
            key = pinned[0].kubeconfig, pinned[0].context
            found.setdefault(key, _Cluster(pinned[0].context)).forwards.extend(pinned)
    return list(found.values())


class _Visit:
    """Of one cluster and its forwards."""

    def __init__(
        self,
        registry: ClusterRegistry,
        machine: ThisMachine,
        environs: Environs,
        on_hop: OnHop,
        say: Callable[[str], None],
    ) -> None:
        self._registry = registry
        self._machine = machine
        self._environ = environs.of(RowId("", ""))
        self._on_hop = on_hop
        self._say = say
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def sections(self, cluster: _Cluster) -> list[Section]:
        if cluster.failure:
            fault = fault_of(Hop.KUBECONFIG, cluster.failure)
            behind = hops_of(Scope.CLUSTER)[1:]
            return [Section(Scope.CLUSTER, cluster.name, (fault,), behind), *_none_asked(cluster)]
        first = cluster.forwards[0]
        try:
            access = await Kubeconfigs().access(first.kubeconfig, first.context)
            shared = self._registry.join(replace(access, namespace=""), self._environ, _nobody)
        except KfwError as why:
            return await self.sections(replace(cluster, failure=why))
        try:
            hops = ClusterHops(access, shared.server, self._environ, self._machine.kubectl, self._say)
            found = await ask_in_order(Scope.CLUSTER, cluster.name, hops.checks, self._on_hop)
            if found.fault:
                return [found, *_none_asked(cluster)]
            for one in cluster.forwards:
                if one.name == ANY:
                    found += await self._rights_in(one, shared.server)
            named = [one for one in cluster.forwards if one.name != ANY]
            return [found, *await asyncio.gather(*(self._of_forward(one, shared.server) for one in named))]
        finally:
            await self._registry.leave(shared, _nobody)

    async def _rights_in(self, place: Forward, server: ApiServer) -> Section:
        check = {Hop.RIGHTS: lambda: ask_rights(server, place, has_target=False)}
        return await ask_in_order(Scope.CLUSTER, place.context, check, self._on_hop)

    async def _of_forward(self, forward: Forward, server: ApiServer) -> Section:
        async with self._turns:
            hops = ForwardHops(forward, self._registry, server, self._environ, self._machine.rows or {})
            try:
                return await ask_in_order(Scope.FORWARD, forward.name, hops.checks, self._on_hop)
            finally:
                await hops.close()


def _none_asked(cluster: _Cluster) -> list[Section]:
    return [unasked(Scope.FORWARD, one.name) for one in cluster.forwards if one.name != ANY]


def _nobody() -> None:
    """Who asks once needs to hear of no change."""
