"""Which of the pods get connections: kubectl's order, so that the first is the one that kubectl would take. Pure."""

from collections.abc import Iterable, Sequence

from kfw.target.decode.pod import Pod

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}

#: The ReplicaSet, Job and DaemonSet controllers never give the same name twice.
_NAMES_ONCE = frozenset({"ReplicaSet", "Job", "DaemonSet", "ReplicationController"})


def in_order(pods: Iterable[Pod]) -> list[Pod]:
    """The best first: assigned, running, ready, not being deleted, ready for longer (kubectl's podutils.ActivePods)."""
    return sorted(pods, key=_rank)


def usable(pods: Sequence[Pod]) -> list[Pod]:
    """Those that are ready; where none is, those that run at least, as kubectl takes them."""
    running = [pod for pod in in_order(pods) if pod.status.phase == "Running"]
    staying = [pod for pod in running if not _leaves(pod)] or running
    return [pod for pod in staying if is_ready(pod)] or staying


def comes_back(pod: Pod) -> bool:
    """Whether a pod of this name may be there again when this one is gone."""
    owners = pod.metadata.owner_references or ()
    return not any(owner.controller and owner.kind in _NAMES_ONCE for owner in owners)


def has_ended(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def is_ready(pod: Pod) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or ())


def _leaves(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def _rank(pod: Pod) -> tuple[bool, int, bool, bool, str]:
    return (
        not pod.spec.node_name,
        -_PHASES.get(pod.status.phase, 0),
        not is_ready(pod),
        _leaves(pod),
        pod.metadata.name,
    )
