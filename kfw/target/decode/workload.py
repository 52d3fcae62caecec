"""apps/v1 Deployment, ReplicaSet, StatefulSet and DaemonSet, and batch/v1 Job, of which kfw reads the same; v1
ReplicationController, and Node."""

from kfw.kube.decoder import Wire
from kfw.target import objects
from kfw.target.decode.meta import Condition, Meta, controller, interned


class Requirement(Wire, frozen=True):
    key: str
    operator: str
    values: list[str] | None = None

    def trim(self) -> objects.Requirement:
        return objects.Requirement(self.key, self.operator, tuple(self.values or ()))


class Selector(Wire, frozen=True):
    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None

    def trim(self) -> objects.Selector:
        expressions = tuple(one.trim() for one in self.match_expressions or ())
        return objects.Selector(interned(self.match_labels), expressions)


class WorkloadSpec(Wire, frozen=True):
    selector: Selector = Selector()
    replicas: int | None = None


class Workload(Wire, frozen=True):
    metadata: Meta
    spec: WorkloadSpec = WorkloadSpec()

    def trim(self) -> objects.Workload:
        return objects.Workload(
            name=self.metadata.name,
            uid=self.metadata.uid,
            owner=controller(self.metadata),
            selector=self.spec.selector.trim(),
            replicas=self.spec.replicas,
        )


class ControllerSpec(Wire, frozen=True):
    selector: dict[str, str] | None = None
    replicas: int | None = None


class ReplicationController(Wire, frozen=True):
    """Its selector is a plain map."""

    metadata: Meta
    spec: ControllerSpec = ControllerSpec()

    def trim(self) -> objects.Workload:
        return objects.Workload(
            name=self.metadata.name,
            uid=self.metadata.uid,
            owner=controller(self.metadata),
            selector=objects.Selector(interned(self.spec.selector)),
            replicas=self.spec.replicas,
        )


class NodeAddress(Wire, frozen=True):
    type: str
    address: str


class NodeStatus(Wire, frozen=True):
    addresses: list[NodeAddress] | None = None
    conditions: list[Condition] | None = None


class Node(Wire, frozen=True):
    metadata: Meta
    status: NodeStatus = NodeStatus()

    def trim(self) -> objects.Node:
        ready = any(one.type == "Ready" and one.status == "True" for one in self.status.conditions or ())
        return objects.Node(
            self.metadata.name, ready, (*self._addresses("InternalIP"), *self._addresses("ExternalIP"))
        )

    def _addresses(self, kind: str) -> list[str]:
        return [one.address for one in self.status.addresses or () if one.type == kind]
