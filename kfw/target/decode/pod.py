"""v1 Pod: its ports, and whether it is ready and why not."""

from sys import intern

from msgspec import field

from kfw.kube.decoder import Wire
from kfw.target import objects
from kfw.target.decode.meta import Condition, Meta, controller, interned, shared
from kfw.target.decode.unready import NODE_SILENT, ContainerState, PodState, is_unheard, why_not_ready


class Port(Wire, frozen=True):
    container_port: int
    name: str = ""
    protocol: str = "TCP"


class Container(Wire, frozen=True):
    ports: list[Port] | None = None
    restart_policy: str = ""


class PodSpec(Wire, frozen=True):
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    node_name: str = ""
    readiness_gates: list[Wire] | None = None


class PodStatus(Wire, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerState] | None = None
    init_container_statuses: list[ContainerState] | None = None
    pod_ip: str = field(default="", name="podIP")
    host_ip: str = field(default="", name="hostIP")


class Pod(Wire, frozen=True):
    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def trim(self) -> objects.Pod:
        state = self._state()
        why = why_not_ready(state)
        unheard = bool(why) and not self.spec.readiness_gates and is_unheard(state)
        return objects.Pod(
            name=self.metadata.name,
            labels=interned(self.metadata.labels),
            owner=controller(self.metadata),
            ready=not why,
            running=self.status.phase == "Running",
            terminating=self.metadata.deletion_timestamp is not None,
            unheard=unheard,
            why=intern(NODE_SILENT if unheard else why),
            ports=shared(self._ports()),
            ip=self.status.pod_ip,
            host_ip=intern(self.status.host_ip),
            node=intern(self.spec.node_name),
        )

    def _state(self) -> PodState:
        return PodState(
            terminating=self.metadata.deletion_timestamp is not None,
            phase=self.status.phase,
            reason=self.status.reason,
            message=self.status.message,
            conditions={c.type: c for c in self.status.conditions or ()},
            containers=self.status.container_statuses or [],
            init_containers=self.status.init_container_statuses or [],
        )

    def _ports(self) -> tuple[objects.ContainerPort, ...]:
        sidecars = (c for c in self.spec.init_containers or () if c.restart_policy == "Always")
        return tuple(
            objects.ContainerPort(port.container_port, port.name)
            for container in (*(self.spec.containers or ()), *sidecars)
            for port in container.ports or ()
            if port.protocol == "TCP"
        )
