"""v1 Pod: its ports, whether it is ready, and why not in the API's own words, the most telling reason first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sys import intern

from msgspec import field

from kfw.kube.decoder import Wire
from kfw.target import objects
from kfw.target.decode.meta import Condition, Meta, controller, interned, shared

#: Characters of a message.
_MESSAGE = 300

#: Waiting reasons that only say "wait".
_PASSING = frozenset({"ContainerCreating", "PodInitializing"})

#: Why a pod is not ready that is unheard.
_NODE_SILENT = "its node does not report"


class Port(Wire, frozen=True):
    container_port: int
    name: str = ""
    protocol: str = "TCP"


class Container(Wire, frozen=True):
    name: str = ""
    ports: list[Port] | None = None
    restart_policy: str = ""


class Waiting(Wire, frozen=True):
    reason: str = ""
    message: str = ""


class Terminated(Wire, frozen=True):
    reason: str = ""
    exit_code: int = 0


class State(Wire, frozen=True):
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerState(Wire, frozen=True):
    """v1 ContainerStatus."""

    name: str
    ready: bool = False
    started: bool | None = None
    state: State = State()


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


@dataclass(frozen=True)
class PodState:
    """`conditions` by type."""

    terminating: bool
    phase: str
    reason: str
    message: str
    conditions: Mapping[str, Condition]
    containers: list[ContainerState]
    init_containers: list[ContainerState]


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
            why=intern(_NODE_SILENT if unheard else why),
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


# -- whether it is ready


def is_unheard(pod: PodState) -> bool:
    """Its containers are ready as far as is known, and only condition Ready is false: so the node lifecycle controller
    marks the pods of a node whose kubelet it has not heard of for a while (k8s.io/kubernetes, `MarkPodsNotReady`)."""
    ready, containers = pod.conditions.get("Ready"), pod.conditions.get("ContainersReady")
    marked = (
        ready is not None
        and ready.status == "False"
        and containers is not None
        and containers.status == "True"
    )
    return marked and pod.phase == "Running" and not pod.terminating


def why_not_ready(pod: PodState) -> str:
    """A short sentence, "" for a pod that is ready."""
    if pod.terminating:
        return "it is terminating"
    if pod.phase in ("Succeeded", "Failed"):
        return _with("it has ended: " + (pod.reason or pod.phase), pod.message)
    ready = pod.conditions.get("Ready")
    if ready and ready.status == "True":
        return ""
    return (
        _unscheduled(pod)
        or _waits(pod.init_containers, "init container")
        or _waits(pod.containers, "container")
        or _probe_fails(pod.containers)
        or _otherwise(pod, ready)
    )


def _unscheduled(pod: PodState) -> str:
    scheduled = pod.conditions.get("PodScheduled")
    if scheduled is None or scheduled.status != "False":
        return ""
    return _with(f"{pod.phase}: {scheduled.reason}", scheduled.message)


def _waits(containers: Iterable[ContainerState], word: str) -> str:
    for one in containers:
        waiting, ended = one.state.waiting, one.state.terminated
        if waiting and waiting.reason and waiting.reason not in _PASSING:
            return _with(f"{word} {one.name}: {waiting.reason}", waiting.message)
        if ended and ended.exit_code:
            return f"{word} {one.name} ended: {ended.reason or 'Error'} (exit code {ended.exit_code})"
    return ""


def _probe_fails(containers: Iterable[ContainerState]) -> str:
    for one in containers:
        if one.ready or one.state.waiting or one.state.terminated:
            continue
        probe = "startup" if one.started is False else "readiness"
        return f"container {one.name} runs, its {probe} probe has not succeeded"
    return ""


def _otherwise(pod: PodState, ready: Condition | None) -> str:
    """A readiness gate, a node that is lost, or a pod just begun."""
    phase = pod.phase or "Pending"
    return _with(f"{phase}: {ready.reason}", ready.message) if ready and ready.reason else f"it is {phase}"


def _with(what: str, message: str) -> str:
    return f"{what} ({message[:_MESSAGE]})" if message else what
