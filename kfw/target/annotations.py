"""What the pods of a namespace are annotated with, asked of the API server once."""

from collections.abc import Collection
from dataclasses import dataclass

from kfw.choices import KINDS
from kfw.kube.decoder import Wire
from kfw.kube.resource import PODS
from kfw.kubeconfig.entries import Access
from kfw.model import NAMED_KINDS
from kfw.target.decode.meta import OwnerReference
from kfw.target.listing import list_objects, server_of

_HASH = "pod-template-hash"


class _Meta(Wire, frozen=True):
    name: str
    resource_version: str = ""
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class _Pod(Wire, frozen=True):
    metadata: _Meta

    def trim(self) -> _Meta:
        return self.metadata


@dataclass(frozen=True)
class AnnotatedPod:
    """`target`: the workload that it belongs to, else itself; `annotations`: those that were asked for."""

    target: str
    annotations: tuple[tuple[str, str], ...]


async def annotated_pods(access: Access, namespace: str, names: Collection[str]) -> list[AnnotatedPod]:
    """Those that have one of these annotations. Raises KfwError."""
    async with server_of(access) as server:
        server.want(asked_for=True)
        pods = await list_objects(server, PODS, namespace, shape=_Pod)
    return [one for pod in pods for one in _with(pod.object, names)]


def _with(meta: _Meta, names: Collection[str]) -> list[AnnotatedPod]:
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
