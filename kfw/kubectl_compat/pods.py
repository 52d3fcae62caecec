"""Which of the pods get connections, in kubectl's order, and which to begin with."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from kfw.kube.resource import PODS
from kfw.kube.shared_watches import SharedWatches
from kfw.kubectl_compat import messages
from kfw.kubectl_compat.find import Finder, PodChoice
from kfw.kubectl_compat.messages import KubectlError
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
    return [pod for pod in staying if _is_ready(pod)] or staying


def comes_back(pod: Pod) -> bool:
    """Whether a pod of this name may be there again when this one is gone."""
    owners = pod.metadata.owner_references or ()
    return not any(owner.controller and owner.kind in _NAMES_ONCE for owner in owners)


def has_ended(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _is_ready(pod: Pod) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or ())


def _leaves(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def _rank(pod: Pod) -> tuple[bool, int, bool, bool, str]:
    return (
        not pod.spec.node_name,
        -_PHASES.get(pod.status.phase, 0),
        not _is_ready(pod),
        _leaves(pod),
        pod.metadata.name,
    )


# -- at the beginning


async def first_pods(
    finder: Finder,
    watches: SharedWatches,
    changed: asyncio.Event,
    patience: float,
    say: Callable[[str], None],
) -> tuple[PodChoice, list[Pod]]:
    """The usable ones, the best first. Waits up to `patience` seconds while there is none that runs. Raises KfwError.

    `changed` is set by the server.
    """
    found = await finder.find()
    pods = [found.pod] if found.pod else await finder.pods(found)
    if good := usable(pods):
        return found, good
    _refuse_what_has_ended(pods)
    say(f"kfw: {_state(finder, pods)}, waiting up to {patience:g} s for it")
    watch = watches.watch(PODS, finder.namespace, changed.set, found.where)
    try:
        async with asyncio.timeout(patience):
            while not (good := usable(pods)):
                _refuse_what_has_ended(pods)
                await changed.wait()
                changed.clear()
                pods = await finder.pods(found)
    except TimeoutError as error:
        raise _timed_out(pods) from error
    finally:
        await watches.leave_watch(watch, changed.set)
    return found, good


def _refuse_what_has_ended(pods: list[Pod]) -> None:
    if pods and all(map(has_ended, pods)):
        raise messages.not_running(in_order(pods)[0].status.phase)


def _timed_out(pods: list[Pod]) -> KubectlError:
    if not pods:
        return KubectlError("error: timed out waiting for the condition")
    best = in_order(pods)[0]
    return messages.not_running(best.status.phase, f"pod {best.metadata.name}: {best.trim().why}")


def _state(finder: Finder, pods: list[Pod]) -> str:
    if not pods:
        return f"{finder.reference} has no pod yet"
    best = in_order(pods)[0]
    return f"pod {best.metadata.name} is {best.status.phase}"
