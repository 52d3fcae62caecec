"""The names that a cluster has: asked for at once, without a person, and given up after a second."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from kfw.errors import KfwError
from kfw.kube.api_server import ApiServer
from kfw.kube.decoder import Wire
from kfw.kube.resource import OF_KIND
from kfw.kubeconfig.entries import Access
from kfw.kubeconfig.load import load
from kfw.kubeconfig.pin import current_context
from kfw.system.loop import run
from kfw.target.inventory import LISTED_KINDS, inventory
from kfw.target.listing import PAGE, list_objects, server_of

T = TypeVar("T")


class _Named(Wire, frozen=True):
    name: str = ""


class _Namespace(Wire, frozen=True):
    metadata: _Named = _Named()


class _Namespaces(Wire, frozen=True):
    items: tuple[_Namespace, ...] = ()


#: Seconds: who has pressed Tab waits.
LIMIT = 1.0


def targets(files: Sequence[str], context: str, namespace: str) -> dict[str, list[tuple[int, str]]] | None:
    """By TYPE/NAME its TCP ports: number and name. None: not known."""

    async def ask(server: ApiServer, usual: str) -> dict[str, list[tuple[int, str]]]:
        resources = [OF_KIND[kind] for kind in LISTED_KINDS]
        answers = await asyncio.gather(
            *(list_objects(server, one, namespace or usual) for one in resources), return_exceptions=True
        )
        lists = {one: said for one, said in zip(resources, answers, strict=True) if isinstance(said, list)}
        if not lists:
            raise next(said for said in answers if isinstance(said, BaseException))
        rows = inventory(lists, "", {})
        return {row.target: [(port.number, port.name) for port in row.ports] for row in rows}

    return _asked(files, context, ask)


def namespaces(files: Sequence[str], context: str, _: str = "") -> list[str] | None:
    return _asked(files, context, _namespaces)


async def _namespaces(server: ApiServer, _: str) -> list[str]:
    session = server.session()
    try:
        said = await session.read("/api/v1/namespaces", {"limit": PAGE})
        return [one.metadata.name for one in msgspec.json.decode(said, type=_Namespaces).items]
    except (msgspec.DecodeError, RecursionError):
        return []
    finally:
        server.close_session(session)


def _asked(files: Sequence[str], context: str, ask: Callable[[ApiServer, str], Awaitable[T]]) -> T | None:
    try:
        known = load(files)
        return run(_within(known.access(context or current_context(known)), ask))
    except (KfwError, TimeoutError):
        return None


async def _within(access: Access, ask: Callable[[ApiServer, str], Awaitable[T]]) -> T:
    async with server_of(access) as server, asyncio.timeout(LIMIT):
        return await ask(server, access.namespace)
