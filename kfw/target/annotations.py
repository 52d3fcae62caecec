"""What the pods of a namespace are annotated with, asked of the API server once."""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from kfw.choices import KINDS
from kfw.errors import KfwError
from kfw.kube.api_errors import NotUnderstood, not_understood
from kfw.kube.decoder import Wire
from kfw.kube.resource import PODS
from kfw.kube.watch import MOST_OBJECTS
from kfw.kubeconfig.entries import Access
from kfw.model import NAMED_KINDS
from kfw.target.decode.meta import OwnerReference
from kfw.target.listing import PAGE, server_of
from kfw.target.registry import decoder

_HASH = "pod-template-hash"


class _Meta(Wire, frozen=True):
    name: str
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class _Pod(Wire, frozen=True):
    metadata: _Meta


@dataclass(frozen=True)
class AnnotatedPod:
    """`target`: the workload that it belongs to, else itself; `annotations`: those that were asked for."""

    target: str
    annotations: tuple[tuple[str, str], ...]


async def annotated_pods(access: Access, namespace: str, names: Collection[str]) -> list[AnnotatedPod]:
    """Those that have one of these annotations. Raises KfwError."""
    found: list[AnnotatedPod] = []
    async with server_of(access) as server:
        server.want(asked_for=True)
        session, read, query = server.session(), decoder(PODS), dict[str, str | int](limit=PAGE)
        try:
            for _ in range(MOST_OBJECTS // PAGE):
                page = read.page(await session.read(PODS.path(namespace), query))
                found += [one for pod in map(_pod, page.items) for one in _with(pod, names)]
                if not page.next or not page.items:
                    return found
                query["continue"] = page.next
        except NotUnderstood as error:
            raise not_understood(error, server.error_context) from error
        finally:
            server.close_session(session)
    raise KfwError(f"there are more than {MOST_OBJECTS} pods", "name a namespace with fewer: -n NAME")


def _pod(raw: msgspec.Raw) -> _Pod:
    try:
        return msgspec.json.decode(raw, type=_Pod)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotUnderstood("a pod whose metadata cannot be read") from error


def _with(pod: _Pod, names: Collection[str]) -> list[AnnotatedPod]:
    meta = pod.metadata
    said = tuple((name, value) for name, value in (meta.annotations or {}).items() if name in names)
    return [AnnotatedPod(_target(meta), said)] if said else []


def _target(meta: _Meta) -> str:
    """A deployment by the name that its controller gives to a replica set: its own and the pods' hash."""
    owner = next((one for one in meta.owner_references or () if one.controller), None)
    if owner is None:
        return f"pod/{meta.name}"
    pod_hash = (meta.labels or {}).get(_HASH)
    if owner.kind == "ReplicaSet" and pod_hash and owner.name.endswith(f"-{pod_hash}"):
        return f"deployment/{owner.name.removesuffix(f'-{pod_hash}')}"
    kind = next((kind for kind in NAMED_KINDS if KINDS[kind].kind == owner.kind), None)
    return f"{kind}/{owner.name}" if kind else f"pod/{meta.name}"
