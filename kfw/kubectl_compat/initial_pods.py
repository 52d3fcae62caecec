"""The pods to begin with, or in kubectl's words why there are none."""

import asyncio
from collections.abc import Callable

from kfw.kubectl_compat import choose, messages
from kfw.kubectl_compat.find import Found
from kfw.kubectl_compat.kubectl_error import KubectlError
from kfw.kubectl_compat.pod_source import PodSource
from kfw.target.decode.pod import Pod


async def first_pods(
    reach: PodSource, changed: asyncio.Event, patience: float, say: Callable[[str], None]
) -> tuple[Found, list[Pod]]:
    """The usable ones, the best first. Waits up to `patience` seconds while there is none that runs. Raises KfwError."""
    found = await reach.finder.find()
    pods = [found.pod] if found.pod else await reach.finder.pods(found)
    try:
        async with asyncio.timeout(patience):
            while not (good := choose.usable(pods)):
                _refuse_what_has_ended(pods)
                if reach.pods is None:
                    say(f"kfw: {_state(reach, pods)}, waiting up to {patience:g} s for it")
                    await reach.follow(found)
                await changed.wait()
                changed.clear()
                pods = await reach.finder.pods(found)
    except TimeoutError as error:
        raise _timed_out(pods) from error
    return found, good


def _refuse_what_has_ended(pods: list[Pod]) -> None:
    if pods and all(map(choose.has_ended, pods)):
        raise messages.not_running(choose.in_order(pods)[0].status.phase)


def _timed_out(pods: list[Pod]) -> KubectlError:
    if not pods:
        return KubectlError("error: timed out waiting for the condition")
    best = choose.in_order(pods)[0]
    return messages.not_running(best.status.phase, f"pod {best.metadata.name}: {best.trim().why}")


def _state(reach: PodSource, pods: list[Pod]) -> str:
    if not pods:
        return f"{reach.reference} has no pod yet"
    best = choose.in_order(pods)[0]
    return f"pod {best.metadata.name} is {best.status.phase}"
