"""May this user do that? Asked of the API server by a SelfSubjectAccessReview, which everybody may send."""

import asyncio
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from kfw.errors import KfwError
from kfw.kube.api_server import ApiServer
from kfw.kube.api_session import ApiSession
from kfw.kube.decoder import Wire
from kfw.kube.resource import PODS, Resource

_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Right(NamedTuple):
    """As RBAC names it: a verb on a resource, or on a subresource of it."""

    verb: str
    resource: Resource
    subresource: str = ""

    def __str__(self) -> str:
        """`create pods/portforward`"""
        return f"{self.verb} {self.resource}{'/' if self.subresource else ''}{self.subresource}"


#: What a port-forward over SPDY needs; in a WebSocket it is `get`.
FORWARD = Right("create", PODS, "portforward")


class _Verdict(Wire, frozen=True):
    allowed: bool = False


class _Review(Wire, frozen=True):
    status: _Verdict = _Verdict()


async def may(server: ApiServer, right: Right, namespace: str) -> bool | None:
    """Whether this user has it there, "" for everywhere; None: the API server does not say."""
    return (await may_in_each(server, right, [namespace]))[namespace]


async def may_in_each(
    server: ApiServer, right: Right, namespaces: Collection[str], *, at_once: int = 8
) -> dict[str, bool | None]:
    """As `may`, for each of these. `at_once`: connections at most, each asked one question after the other."""
    found, left = dict[str, bool | None](), iter(namespaces)

    async def ask_for_those_left() -> None:
        session = server.session()
        try:
            for namespace in left:
                found[namespace] = await _ask(session, right, namespace)
        finally:
            server.close_session(session)

    await asyncio.gather(*(ask_for_those_left() for _ in range(min(at_once, len(namespaces)))))
    return found


async def _ask(session: ApiSession, right: Right, namespace: str) -> bool | None:
    attributes = {
        "namespace": namespace,
        "verb": right.verb,
        "group": right.resource.group,
        "resource": right.resource.name,
        "subresource": right.subresource,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    try:
        said = await session.review(_PATH, msgspec.json.encode(review))
        return msgspec.json.decode(said, type=_Review).status.allowed
    except (KfwError, msgspec.DecodeError, RecursionError):  # what it is asked for is worth doing without it
        return None
