"""Whether the path to the pods is open, and what becomes of links that do not answer.

A link that does not answer is not yet dead: the API server may be silent for a while, and what lives on it goes on
afterwards. It is dead when the same question is answered on another link meanwhile.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial

from kfw.aio import AllFailed, race
from kfw.errors import KfwError
from kfw.methods.tunnel.driver import PoolDriver
from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.policy import Policy


async def check_path(pool: PoolDriver, seconds: float) -> float:
    """The seconds of a round trip to the runtime of a pod. Raises KfwError if there is none within `seconds`, not counting
    those in which other forwards dial first."""
    began = asyncio.get_running_loop().time()
    asked = {link: link.answers(seconds) for link in pool.links if link.usable}
    pods = list(pool.endpoints)[: pool.policy.asked_pods]
    ways = [partial(_first_of, asked.values())] if asked else []
    limit = asyncio.timeout(None)

    def on_turn(waited: float) -> None:
        if limit.when() is None:
            limit.reschedule(began + seconds + waited)

    ways += [partial(_by_a_new_link, pool, pod, seconds, on_turn) for pod in pods]
    if not ways:
        raise KfwError("no pod is ready", reason="no-ready-pod")
    try:
        async with limit:
            _, pool.round_trip = await race(ways, head_start=_head_start(pool.policy, pool.round_trip))
    except AllFailed as failed:
        error = failed.errors[-len(pods)]
        raise error from error.__cause__
    except TimeoutError as late:
        raise _silent(pods[0], seconds) from late
    for link, answer in asked.items():
        _judge(link, answer)
    pool.proved_at = asyncio.get_running_loop().time()
    pool.share_idle()
    return pool.round_trip


def _head_start(policy: Policy, round_trip: float) -> float:
    return max(policy.prompt, policy.prompt_trips * round_trip) if round_trip else policy.prompt_unknown


async def _first_of(answers: Collection["asyncio.Future[float | None]"]) -> float:
    for answer in asyncio.as_completed(answers):
        trip: float | None = await answer
        if trip is not None:
            return trip
    raise KfwError("no tunnel answers", reason="unhealthy")


async def _by_a_new_link(
    pool: PoolDriver, pod: str, seconds: float, on_turn: Callable[[float], None]
) -> float:
    link = await pool.new_link(pod, on_turn)
    trip = await link.answers(seconds)
    if trip is None:
        link.abort("it does not answer")
        raise _silent(pod, seconds)
    return trip


def _silent(pod: str, seconds: float) -> KfwError:
    return KfwError(
        f"the path through the API server to pod {pod} has been silent for {seconds:g} s",
        "it continues by itself when the pod's node answers again: kubectl get nodes",
        reason="cluster-unreachable",
    )


def _judge(link: Link, answer: "asyncio.Future[float | None]") -> None:
    """The way is open: who is late gets nothing new, and who does not answer at all is dead. But what lives on it is not
    cut: behind an upload answers are late."""

    def judged(answer: "asyncio.Future[float | None]") -> None:
        if answer.result() is not None:
            link.clear_suspicion()
        elif link.live:
            link.retire("it does not answer")
        else:
            link.abort("it does not answer")

    link.suspect = not answer.done()
    answer.add_done_callback(judged)
