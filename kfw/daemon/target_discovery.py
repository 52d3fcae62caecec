"""What somebody needs to know who chooses a forward on a screen: clusters, targets, their ports, and ports of this machine.

Each question is asked when it is asked here; nothing is kept. What only it needs is imported then.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from kfw.choices import usual_local_port
from kfw.daemon.events import ENDED
from kfw.daemon.project_reader import READ_AGAIN
from kfw.daemon.starts import kubeconfig_of, port_owner
from kfw.environ import Environ
from kfw.errors import TimedOut, UsageError
from kfw.model import Target
from kfw.protocol import (
    ClusterCount,
    ClustersReply,
    ForwardStatus,
    FoundTarget,
    LocalPort,
    PortsReply,
    PortsRequest,
    TargetPort,
    TargetsReply,
    TargetsRequest,
)
from kfw.supervisor.supervisor import Supervisor
from kfw.system.files import outside
from kfw.target.registry import ClusterRegistry

if TYPE_CHECKING:
    from kfw.kubeconfig.entries import Access, Kubeconfig

#: Seconds for the answers of a cluster; a login may be among them.
LIMIT = 60.0


class Discovery:
    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def clusters(self, kubeconfig: str | None) -> ClustersReply:
        """Those of the kubeconfig in its order, then others that forwards are in. Raises UsageError."""
        known = await _kubeconfig(kubeconfig_of(kubeconfig, None))
        namespaces = {name: entry.namespace or "default" for name, entry in known.contexts.items()}
        return ClustersReply(counts(namespaces, known.current(), self._supervisor.statuses()))

    async def targets(self, request: TargetsRequest) -> TargetsReply:
        """Raises KfwError."""
        from kfw.target.declared_ports import namespaces_of_cluster
        from kfw.target.listing import find_targets, server_of

        access = await _access(request)
        where, environ, registry = (
            request.namespace or access.namespace,
            self._environ(request),
            self._registry(),
        )

        async def all_namespaces() -> list[str]:
            async with server_of(access, environ, registry) as server:
                return await namespaces_of_cluster(server)

        names = asyncio.create_task(all_namespaces(), name="namespaces")
        try:
            async with asyncio.timeout(LIMIT):
                found = await find_targets(access, where, request.word, environ, registry)
                namespaces = await names
        except TimeoutError as error:
            raise TimedOut(f"{access.context} does not answer within {LIMIT:g} s") from error
        finally:
            names.cancel()
            await asyncio.gather(names, return_exceptions=True)
        return TargetsReply(
            context=access.context,
            namespace=where,
            namespaces=namespaces,
            targets=msgspec.convert(found.targets, list[FoundTarget], from_attributes=True),
            denied=found.denied,
        )

    async def ports(self, request: PortsRequest) -> PortsReply:
        """Raises KfwError."""
        from kfw.target.declared_ports import declared_ports
        from kfw.target.listing import server_of

        try:
            target = str(Target.parse(request.target))
        except ValueError as error:
            raise UsageError(str(error)) from error
        access = await _access(request)
        async with server_of(access, self._environ(request), self._registry()) as server:
            server.want(asked_for=True)
            found = await declared_ports(server, request.namespace or access.namespace, target)
        return PortsReply(
            [
                TargetPort(usual_local_port=usual_local_port(port.number), **msgspec.structs.asdict(port))
                for port in found
            ]
        )

    async def local_port(self, port: int) -> LocalPort:
        """Of 127.0.0.1 and ::1."""
        rows = self._supervisor.statuses()
        wanted = frozenset(row.local_port for row in rows if row.status not in ENDED)
        return await asyncio.to_thread(_look_at, port, port_owner(rows, port), wanted)

    def _environ(self, request: TargetsRequest | PortsRequest) -> Environ | None:
        return self._supervisor.environ_of(request.environ)

    def _registry(self) -> ClusterRegistry | None:
        """Where forwards are logged in already."""
        clusters = self._supervisor.clusters
        return clusters if isinstance(clusters, ClusterRegistry) else None


def counts(
    namespaces: Mapping[str, str], current: str | None, rows: list[ForwardStatus]
) -> list[ClusterCount]:
    """`namespaces`: of each context of the kubeconfig."""
    by_context: dict[str, Counter[str]] = {}
    for row in rows:
        by_context.setdefault(row.context, Counter())[row.status.value] += 1
    return [
        ClusterCount(
            context=context,
            namespace=namespaces.get(context, ""),
            current=context == current,
            forwards=sum(found[status] for status in found if status not in ENDED),
            by_status=dict(found),
        )
        for context in dict.fromkeys((*namespaces, *by_context))
        if context
        for found in [by_context.get(context, Counter[str]())]
    ]


def _look_at(port: int, owner: ForwardStatus | None, wanted: frozenset[int]) -> LocalPort:
    """Blocking."""
    from kfw.system.local_ports import alternatives

    if owner is None and not (why := _why_not_free(port)):
        return LocalPort(port=port, free=True)
    nearby = next(
        (each for each in alternatives(port) if each not in wanted and not _why_not_free(each)), None
    )
    if owner:
        why = f"the forward '{owner.shown}' has it"
    return LocalPort(port=port, free=False, why=why, forward=owner.name if owner else None, nearby=nearby)


def _why_not_free(port: int) -> str:
    """Nobody is kept from it: it is bound for an instant, and nothing listens."""
    import errno
    import socket

    from kfw.system.local_ports import holder

    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with closing(socket.socket(family, socket.SOCK_STREAM)) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"{holder(port, address) or 'another program'} has it"
            if error.errno == errno.EACCES:
                return "low ports are reserved for root"
            if family == socket.AF_INET:
                return str(error.strerror)
    return ""


async def _kubeconfig(kubeconfig: str | None) -> "Kubeconfig":
    from kfw.kubeconfig.load import default_files, load

    try:
        return await outside(lambda: load(default_files(kubeconfig)), READ_AGAIN)
    except TimeoutError as error:
        what = f"cannot read the kubeconfig: it takes more than {READ_AGAIN:g} s"
        raise UsageError(what, "check the file system that it is on") from error


async def _access(request: TargetsRequest | PortsRequest) -> "Access":
    from kfw.kubeconfig.pin import current_context

    known = await _kubeconfig(kubeconfig_of(request.kubeconfig, request.environ))
    return known.access(request.context or current_context(known))
