"""The status of a pod, from what its containers are doing. Pure."""

from dataclasses import dataclass
from enum import Enum

from kfw.sandbox.objects import Object, condition, rfc3339, short_hash, uid_of


class Doing(Enum):
    CREATING = "ContainerCreating"
    NO_IMAGE = "ImagePullBackOff"
    RUNNING = "Running"
    BACKING_OFF = "CrashLoopBackOff"


@dataclass(frozen=True)
class Life:
    """Times in seconds since 1970; `crashed` is when the containers last ended."""

    doing: Doing = Doing.CREATING
    ready: bool = False
    started: float = 0.0
    restarts: int = 0
    crashed: float | None = None
    message: str = ""


def pod_status(pod: Object, life: Life, node_ip: str, pod_ip: str, now: float) -> Object:
    containers = pod["spec"]["containers"]
    unready = [one["name"] for one in containers if not life.ready]
    why = {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(unready)}]",
    }
    ready: Object = {"status": "True"} if life.ready else {"status": "False", **why}
    created = life.doing not in (Doing.CREATING, Doing.NO_IMAGE)
    conditions = [
        {"type": "PodReadyToStartContainers", "status": "True"},
        {"type": "Initialized", "status": "True"},
        {"type": "Ready", **ready},
        {"type": "ContainersReady", **ready},
        {"type": "PodScheduled", "status": "True"},
    ]
    return {
        "phase": "Running" if created else "Pending",
        "conditions": [_since(pod, one, now) for one in conditions],
        "hostIP": node_ip,
        "hostIPs": [{"ip": node_ip}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "startTime": pod["status"].get("startTime") or rfc3339(now),
        "containerStatuses": [_container(pod, one, life) for one in containers],
        "qosClass": "BestEffort",
    }


def _since(pod: Object, new: Object, now: float) -> Object:
    before = condition(pod, new["type"]) or {}
    same = before.get("status") == new["status"]
    return {
        **new,
        "lastProbeTime": None,
        "lastTransitionTime": before["lastTransitionTime"] if same else rfc3339(now),
    }


def _container(pod: Object, container: Object, life: Life) -> Object:
    identity = f"kfw://{short_hash([uid_of(pod), container['name'], life.restarts], 16)}"
    started = life.doing is Doing.RUNNING
    seen = life.doing not in (Doing.CREATING, Doing.NO_IMAGE)
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": f"kfw://{container['image']}" if seen else "",
        "containerID": identity if seen else "",
        "ready": life.ready,
        "started": started,
        "restartCount": life.restarts,
        "state": _state(life),
        "lastState": _ended(life, identity) if life.crashed is not None else {},
    }


def _state(life: Life) -> Object:
    if life.doing is Doing.RUNNING:
        return {"running": {"startedAt": rfc3339(life.started)}}
    waiting = {"reason": life.doing.value} | ({"message": life.message} if life.message else {})
    return {"waiting": waiting}


def _ended(life: Life, identity: str) -> Object:
    crashed = rfc3339(life.crashed or 0.0)
    times = {"startedAt": rfc3339(min(life.started, life.crashed or 0.0)), "finishedAt": crashed}
    return {"terminated": {"exitCode": 1, "reason": "Error", **times, "containerID": identity}}
