"""Why a pod is not ready, in the API's own words, the most telling reason first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kfw.kube.decoder import Wire
from kfw.target.decode.meta import Condition

#: Characters of a message.
_MESSAGE = 300

#: Waiting reasons that only say "wait".
_PASSING = frozenset({"ContainerCreating", "PodInitializing"})


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


#: Why a pod is not ready that is unheard.
NODE_SILENT = "its node does not report"


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
