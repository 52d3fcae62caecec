"""Ask an API server once what there is to forward, and whether this user may: all questions at the same time."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from kfw.environ import Environ, Environs
from kfw.errors import KfwError, NotPermitted, TimedOut, UsageError
from kfw.kube.api_errors import Absent, NotUnderstood, not_understood
from kfw.kube.api_server import ApiServer
from kfw.kube.decoder import Decoder, Wire
from kfw.kube.resource import OF_KIND, PODS, Resource
from kfw.kube.watch import MOST_OBJECTS
from kfw.kubeconfig.entries import Access
from kfw.model import Kind
from kfw.names import RowId
from kfw.target.access_review import FORWARD, may, may_in_each
from kfw.target.inventory import (
    LISTED_KINDS,
    ListedPort,
    ListedTarget,
    Placed,
    inventory,
    kinds_in_words,
    namespaces_of,
    ports_of_pods,
)
from kfw.target.registry import ClusterRegistry, decoder

#: Objects in one answer, as `kubectl get` asks for them.
PAGE = 500
#: Seconds for a question whose answer is only convenient.
_AT_ONCE = 3.0


class _Place(Wire, frozen=True):
    namespace: str = ""


class _Placed(Wire, frozen=True):
    metadata: _Place = _Place()


@dataclass(frozen=True)
class Listing:
    """`denied`: the kinds that this user may not list, in words; "" if there are none."""

    targets: list[ListedTarget]
    denied: str


@asynccontextmanager
async def server_of(
    access: Access, environ: Environ | None = None, registry: ClusterRegistry | None = None
) -> AsyncIterator[ApiServer]:
    """To be asked once. `environ`: of who asks, None for this process's own. `registry`: where a login and a connection may
    be already; None: of this question alone."""

    def ignore() -> None:
        """Who asks once needs to hear of no change."""

    async with AsyncExitStack() as stack:
        known = await stack.enter_async_context(ClusterRegistry()) if registry is None else registry
        asker = environ or Environs(os.environ, known=True).of(RowId("", ""))
        shared = known.join(replace(access, namespace=""), asker, ignore)
        try:
            yield shared.server
        finally:
            await known.leave(shared, ignore)


async def find_targets(
    access: Access,
    namespace: str,
    word: str,
    environ: Environ | None = None,
    registry: ClusterRegistry | None = None,
) -> Listing:
    """In this namespace, or with "" in all of them. Raises KfwError."""
    async with server_of(access, environ, registry) as server:
        server.want(asked_for=True)
        return await _find(server, namespace, word)


async def ports_of(access: Access, namespace: str, target: str) -> tuple[ListedPort, ...]:
    """The TCP ports of one target, () if it is not there; only what can be known at once and without a person.

    Raises KfwError.
    """
    kind, _, name = target.partition("/")
    if kind == Kind.PODS:
        resources, select = {PODS}, {"labelSelector": name}
    else:
        resources, select = ({OF_KIND[kind], PODS} if kind != "service" else {OF_KIND[kind]}), {}
    async with server_of(access) as server:
        try:
            async with asyncio.timeout(_AT_ONCE):
                lists = {one: await list_objects(server, one, namespace, select=select) for one in resources}
        except TimeoutError as error:
            raise TimedOut(
                f"the cluster does not say within {_AT_ONCE:g} s which ports {target} has"
            ) from error
    if kind == Kind.PODS:
        return ports_of_pods(placed.object for placed in lists[PODS])
    rows = inventory(lists, target, {}, (kind,))
    return next((row.ports for row in rows if row.target == target), ())


async def _find(server: ApiServer, namespace: str, word: str) -> Listing:
    resources = [OF_KIND[kind] for kind in LISTED_KINDS]
    first_review = asyncio.create_task(may(server, FORWARD, namespace), name="review")
    try:
        answers = await asyncio.gather(
            *(list_objects(server, one, namespace) for one in resources), return_exceptions=True
        )
        lists = {one: said for one, said in zip(resources, answers, strict=True) if isinstance(said, list)}
        denied = [one for one, said in zip(resources, answers, strict=True) if isinstance(said, NotPermitted)]
        _complain(answers)
        if not lists:
            raise _nothing_may_be_listed(server, denied, namespace)
        if namespace and not any(lists.values()) and await server.namespace_is_missing(namespace):
            raise _no_namespace(server, namespace)
        allowed = {namespace: await first_review}
        if not namespace and allowed[""] is False:  # else it holds in all of them
            allowed = await may_in_each(server, FORWARD, namespaces_of(lists, word))
    finally:
        first_review.cancel()
        await asyncio.gather(first_review, return_exceptions=True)
    return Listing(inventory(lists, word, allowed), kinds_in_words(denied) if denied else "")


def _complain(answers: list[list[Placed] | BaseException]) -> None:
    """Raises what is wrong with more than the right to list one kind."""
    for said in answers:
        if isinstance(said, BaseException) and not isinstance(said, (NotPermitted, Absent)):
            raise said


async def list_objects(
    server: ApiServer,
    resource: Resource,
    namespace: str,
    *,
    shape: type[Any] | None = None,
    select: Mapping[str, str] | None = None,
) -> list[Placed]:
    """All pages. `shape`: what is read of each, where that is not what kfw usually keeps; `select`: labelSelector,
    fieldSelector. Raises KfwError."""
    session, read = server.session(), Decoder(shape) if shape else decoder(resource)
    found: list[Placed] = []
    query: dict[str, str | int] = {"limit": PAGE, **(select or {})}
    try:
        while True:
            page = read.page(await session.read(resource.path(namespace), query))
            found += [Placed(_namespace_of(raw) or namespace, read.item(raw)) for raw in page.items]
            if not page.next or not page.items:
                return found
            if len(found) > MOST_OBJECTS:
                raise KfwError(
                    f"cannot list more than {MOST_OBJECTS} {resource}",
                    "name a namespace: kfw targets -n NAME",
                )
            query["continue"] = page.next
    except NotUnderstood as error:
        raise not_understood(error, server.error_context) from error
    finally:
        server.close_session(session)


def _namespace_of(raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=_Placed).metadata.namespace
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotUnderstood("an object whose metadata cannot be read") from error


def _nothing_may_be_listed(server: ApiServer, denied: list[Resource], namespace: str) -> KfwError:
    context = server.error_context
    if not denied:
        return Absent(f"the API server {context.server} has none of the kinds that can be forwarded")
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    return NotPermitted(
        f"user {context.user} may not list {kinds_in_words(denied)} {where} of context {context.context}",
        "name a namespace that you may read: kfw targets -n NAME; "
        f"`kubectl --context {context.context} auth can-i --list -n NAME` says what you may do there",
    )


def _no_namespace(server: ApiServer, namespace: str) -> UsageError:
    context = server.error_context.context
    return UsageError(
        f"namespace '{namespace}' does not exist in context {context}",
        "list everything: kfw targets -A",
    )
