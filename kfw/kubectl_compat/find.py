"""What kubectl asks the API server before it forwards: the object that was named, then the pods behind it.

The object is asked for by its name, as kubectl does: a user may `get` it and not be allowed to list or watch its kind.
"""

from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import msgspec

from kfw.choices import KINDS, KindTraits
from kfw.kube.api_errors import Absent
from kfw.kube.api_server import ApiServer
from kfw.kube.decoder import Wire
from kfw.kube.resource import OF_KIND, PODS, Resource
from kfw.kubectl_compat import messages
from kfw.kubectl_compat.messages import KubectlError
from kfw.target.decode.pod import Pod
from kfw.target.decode.service import Service
from kfw.target.decode.workload import ReplicationController, Workload

T = TypeVar("T")

# -- TYPE/NAME


@dataclass(frozen=True)
class TargetReference:
    """`kind` is one of choices.KINDS, `typed` what stood before the slash."""

    kind: str
    name: str
    typed: str = "pods"

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def traits(self) -> KindTraits:
        return KINDS[self.kind]

    @property
    def resource(self) -> Resource:
        return OF_KIND[self.kind]


def reference(text: str) -> TargetReference:
    """`svc/web`, `deployment.apps/web`, `deployments.v1.apps/web`; `web` alone is a pod. Raises KubectlError."""
    if not text:
        raise KubectlError("error: resource name may not be empty")
    kind, slash, name = text.partition("/")
    if not slash:
        return TargetReference("pod", text)
    if "/" in name:
        raise KubectlError("error: arguments in resource/name form may not have more than one slash")
    if not kind or not name or "," in kind:
        raise KubectlError("error: arguments in resource/name form must have a single resource and name")
    return TargetReference(_kind(kind), name, kind)


def _kind(text: str) -> str:
    """Singular and plural in upper or lower case, as kubectl does; short names as they are."""
    kind, _, group = text.partition(".")
    for name, one in KINDS.items():
        known = kind.lower() in (name, one.plural) or (one.short and kind == one.short)
        if known and _is_group(group, OF_KIND[name]):
            return name
    raise _unknown(kind)


def _unknown(kind: str) -> KubectlError:
    return KubectlError(f'error: the server doesn\'t have a resource type "{kind}"')


def _is_group(group: str, resource: Resource) -> bool:
    """Nothing, the group, or the version and the group; the core has no name."""
    return not group or (
        bool(resource.group) and group in (resource.group, f"{resource.version}.{resource.group}")
    )


# -- the object and its pods


class _Pods(Wire, frozen=True):
    items: list[Pod]


@dataclass(frozen=True)
class PodChoice:
    """`where` is the query that selects its pods. `pod`: it is one itself."""

    where: dict[str, str]
    service: Service | None = None
    pod: Pod | None = None


class Finder:
    """Asks the API server in a session of its own: `close` must be called at the end."""

    def __init__(self, server: ApiServer, namespace: str, reference: TargetReference) -> None:
        self.reference = reference
        self.namespace = namespace
        self._server = server
        self._session = server.session()

    def close(self) -> None:
        self._server.close_session(self._session)

    async def find(self) -> PodChoice:
        """Raises KubectlError where there is no such object, and KfwError for what is wrong with the API server."""
        body = await self._read_object()
        if self.reference.kind == "pod":
            return PodChoice(
                {"fieldSelector": f"metadata.name={self.reference.name}"}, pod=_decoded(body, Pod)
            )
        service = _decoded(body, Service) if self.reference.kind == "service" else None
        return PodChoice({"labelSelector": self._selector(service, body)}, service)

    async def pods(self, found: PodChoice) -> list[Pod]:
        """As they are now. Raises KfwError."""
        if found.pod:
            try:
                return [_decoded(await self._read_object(), Pod)]
            except KubectlError:
                return []
        body = await self._session.read(PODS.path(self.namespace), found.where)
        return _decoded(body, _Pods).items

    async def _read_object(self) -> bytes:
        resource, name = self.reference.resource, self.reference.name
        try:
            return await self._session.read(f"{resource.path(self.namespace)}/{quote(name, safe='')}")
        except Absent as error:
            if f'"{name}" not found' not in error.what:
                raise _unknown(self.reference.typed) from error  # this server serves no such kind
            if await self._server.namespace_is_missing(self.namespace):
                raise messages.not_found("namespaces", self.namespace) from error
            raise messages.not_found(str(resource), name) from error

    def _selector(self, service: Service | None, body: bytes) -> str:
        if self.reference.traits.pods_by == "none":
            go = f"*v1.{self.reference.traits.kind}"  # the Go type by which kubectl calls it
            raise KubectlError(f"error: cannot attach to {go}: selector for {go} not implemented")
        if service is not None:
            return service_selector(service)
        if self.reference.kind == "replicationcontroller":
            return str(_decoded(body, ReplicationController).trim().selector)
        return str(_decoded(body, Workload).spec.selector.trim())


def service_selector(service: Service) -> str:
    """Raises KubectlError for a service without one."""
    if not service.spec.selector:
        name = service.metadata.name
        raise KubectlError(
            f"error: cannot attach to *v1.Service: invalid service '{name}': Service is defined without a selector"
        )
    return str(service.trim().selector)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KubectlError(
            f"error: the API server's answer is not a {kind.__name__.strip('_')}: {error}"
        ) from error
