"""v1 Service and discovery.k8s.io/v1 EndpointSlice."""

from sys import intern

from msgspec import field

from kfw.kube.decoder import Wire
from kfw.target import objects
from kfw.target.decode.meta import Meta, interned, shared


class ServicePort(Wire, frozen=True):
    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str | None = None
    node_port: int = 0

    def trim(self) -> objects.ServicePort:
        """A targetPort of 0 or "" means the same as the port."""
        return objects.ServicePort(
            number=self.port,
            name=self.name,
            protocol=self.protocol,
            target=self.target_port or None,
            node_port=self.node_port,
        )


class ServiceSpec(Wire, frozen=True):
    type: str = "ClusterIP"
    cluster_ip: str = field(default="", name="clusterIP")
    selector: dict[str, str] | None = None
    ports: list[ServicePort] | None = None
    external_name: str = ""
    external_traffic_policy: str = ""
    session_affinity: str = ""
    publish_not_ready_addresses: bool = False


class Service(Wire, frozen=True):
    metadata: Meta
    spec: ServiceSpec = ServiceSpec()

    def trim(self) -> objects.Service:
        spec = self.spec
        return objects.Service(
            name=self.metadata.name,
            type=intern(spec.type),
            headless=spec.cluster_ip == "None",
            selector=objects.Selector(interned(spec.selector)),
            ports=tuple(port.trim() for port in spec.ports or ()),
            external_name=spec.external_name,
            local=spec.external_traffic_policy == "Local",
            sticky=spec.session_affinity == "ClientIP",
            publishes_unready=spec.publish_not_ready_addresses,
        )


class SlicePort(Wire, frozen=True):
    port: int | None = None
    name: str | None = None
    protocol: str | None = None

    def trim(self) -> objects.SlicePort:
        return objects.SlicePort(self.port, self.name or "", self.protocol or "TCP")


class Conditions(Wire, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None

    def ok(self) -> bool:
        """An absent `ready` means ready. `serving` is asked too: publishNotReadyAddresses makes all `ready`, also what
        terminates (k8s.io/endpointslice, `podToEndpoint`)."""
        return self.ready is not False and self.serving is not False and not self.terminating


class ObjectReference(Wire, frozen=True):
    kind: str = ""
    name: str = ""


class Endpoint(Wire, frozen=True):
    addresses: list[str]
    conditions: Conditions = Conditions()
    target_ref: ObjectReference | None = None
    node_name: str | None = None

    def trim(self) -> objects.SliceEndpoint:
        ref = self.target_ref
        return objects.SliceEndpoint(
            address=self.addresses[0] if self.addresses else "",
            pod=ref.name if ref and ref.kind == "Pod" else "",
            node=intern(self.node_name or ""),
            ready=self.conditions.ok(),
            terminating=bool(self.conditions.terminating),
        )


class EndpointSlice(Wire, frozen=True):
    metadata: Meta
    ports: list[SlicePort] | None = None
    endpoints: list[Endpoint] | None = None

    def trim(self) -> objects.EndpointSlice:
        return objects.EndpointSlice(
            name=self.metadata.name,
            service=intern((self.metadata.labels or {}).get("kubernetes.io/service-name", "")),
            ports=shared(tuple(port.trim() for port in self.ports or ())),
            endpoints=tuple(endpoint.trim() for endpoint in self.endpoints or ()),
        )
