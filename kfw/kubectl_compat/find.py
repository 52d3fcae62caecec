"""What kubectl asks the API server before it forwards: the object that was named, then the pods behind it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import msgspec

from kfw.kube.api_errors import Absent
from kfw.kube.api_server import ApiServer
from kfw.kube.decoder import Wire
from kfw.kube.resource import PODS, SERVICES
from kfw.kubectl_compat import messages
from kfw.kubectl_compat.kinds import Reference, unknown
from kfw.kubectl_compat.kubectl_error import KubectlError
from kfw.target.decode.meta import Meta
from kfw.target.decode.pod import Pod
from kfw.target.decode.service import Service
from kfw.target.decode.workload import Selector, Workload

T = TypeVar("T")


class _ControllerSpec(Wire, frozen=True):
    selector: dict[str, str] | None = None


class _Controller(Wire, frozen=True):
    """v1 ReplicationController, whose selector is a plain map."""

    metadata: Meta
    spec: _ControllerSpec = _ControllerSpec()


class _Pods(Wire, frozen=True):
    items: list[Pod]


@dataclass(frozen=True)
class Found:
    """`where` is the query that selects its pods. `pod`: it is one itself."""

    where: dict[str, str]
    service: Service | None = None
    pod: Pod | None = None


class Finder:
    def __init__(self, server: ApiServer, namespace: str, reference: Reference) -> None:
        self.reference = reference
        self.namespace = namespace
        self._server = server
        self._line = server.session()

    def close(self) -> None:
        self._server.close_session(self._line)

    async def find(self) -> Found:
        """Raises Told where there is no such object, and KfwError for what is wrong with the API server."""
        body = await self._read_object()
        if self.reference.resource == PODS:
            return Found({"fieldSelector": f"metadata.name={self.reference.name}"}, pod=_decoded(body, Pod))
        service = _decoded(body, Service) if self.reference.resource == SERVICES else None
        return Found({"labelSelector": self._selector(service, body)}, service)

    async def pods(self, found: Found) -> list[Pod]:
        """As they are now. Raises KfwError."""
        if found.pod:
            try:
                return [_decoded(await self._read_object(), Pod)]
            except KubectlError:
                return []
        body = await self._line.read(PODS.path(self.namespace), found.where)
        return _decoded(body, _Pods).items

    async def _read_object(self) -> bytes:
        resource, name = self.reference.resource, self.reference.name
        try:
            return await self._line.read(f"{resource.path(self.namespace)}/{quote(name, safe='')}")
        except Absent as error:
            if f'"{name}" not found' not in error.what:
                raise unknown(self.reference.typed) from error  # this server serves no such kind
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
            return _of_map(_decoded(body, _Controller).spec.selector or {})
        return ",".join(_requirements(_decoded(body, Workload).spec.selector))


def service_selector(service: Service) -> str:
    """Raises Told for a service without one."""
    if not service.spec.selector:
        name = service.metadata.name
        raise KubectlError(
            f"error: cannot attach to *v1.Service: invalid service '{name}': Service is defined without a selector"
        )
    return _of_map(service.spec.selector)


def _of_map(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _requirements(selector: Selector) -> Iterable[str]:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors"""
    if selector.match_labels:
        yield _of_map(selector.match_labels)
    for one in selector.match_expressions or ():
        if one.operator in ("In", "NotIn"):
            yield f"{one.key} {one.operator.lower()} ({','.join(one.values or ())})"
        else:
            yield one.key if one.operator == "Exists" else f"!{one.key}"


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KubectlError(
            f"error: the API server's answer is no {kind.__name__.strip('_')}: {error}"
        ) from error
