"""Whether the way to the pods is open, and what becomes of links that are not used or do not answer.

A link that does not answer is not yet dead: the API server may be silent for a while, and what lives on it goes on
afterwards. It is dead when the same question is answered on another link meanwhile.
"""

import asyncio
import logging
from collections.abc import Collection
from functools import partial

from kfw.aio import AllFailed, Complaints, keep_going, race
from kfw.errors import KfwError
from kfw.methods.tunnel.idle_links import dismiss
from kfw.methods.tunnel.link import Link
from kfw.methods.tunnel.pool import RECENT, Pool

log = logging.getLogger("kfw.tunnel")

#: Seconds between two looks, at a forward that is used and at others.
LOOK, LOOK_UNUSED = 2.0, 5.0
#: Seconds that a link may be silent until it is asked: of one in use it is known within 5 s that it is dead. Others are
#: watched by the kernel (attach.WARM), and asked for the sake of middleboxes, which cut after a minute and more.
SILENT, SILENT_UNUSED = 2.5, 20.0
#: Seconds for the answer to that.
ANSWER = 5.0
#: Seconds that a link may be idle beyond those that are kept warm.
IDLE = 30.0
#: Seconds for an answer until another way is tried as well, and in round trips: the greater counts.
PROMPT, LATE = 0.15, 4.0
#: And as long as it is not known how long a round trip takes.
UNKNOWN = 1.0
#: As many pods are tried.
PODS = 3
#: Seconds for which a proof counts when the forward has no link, as others are used more: each one costs a dial then.
PARKED = 240.0


async def check_path(pool: Pool, seconds: float) -> float:
    """The seconds of a round trip to the runtime of a pod. Raises KfwError if there is none within `seconds`."""
    asked = {link: link.answers(seconds) for link in pool.links if link.usable}
    pods = list(pool.endpoints)[:PODS]
    ways = [partial(_first_of, asked.values())] if asked else []
    ways += [partial(_by_a_new_link, pool, pod, seconds) for pod in pods]
    if not ways:
        raise KfwError("no pod is ready", reason="no-ready-pod")
    try:
        async with asyncio.timeout(seconds):
            _, pool.round_trip = await race(ways, head_start=_head_start(pool.round_trip))
    except AllFailed as failed:
        error = failed.errors[-len(pods)]
        raise error from error.__cause__
    except TimeoutError as late:
        raise _silent(pods[0], seconds) from late
    for link, answer in asked.items():
        _judge(link, answer)
    pool.proved_at = asyncio.get_running_loop().time()
    pool.spare_free()
    return pool.round_trip


def is_proved(pool: Pool) -> bool:
    """Also while it has no link, as others are used more: the watches tell of the pods, and the pulse of the API server."""
    return pool.parked and asyncio.get_running_loop().time() - pool.proved_at < PARKED


def _head_start(round_trip: float) -> float:
    return max(PROMPT, LATE * round_trip) if round_trip else UNKNOWN


async def _first_of(answers: Collection["asyncio.Future[float | None]"]) -> float:
    for answer in asyncio.as_completed(answers):
        trip: float | None = await answer
        if trip is not None:
            return trip
    raise KfwError("no tunnel answers", reason="unhealthy")


async def _by_a_new_link(pool: Pool, pod: str, seconds: float) -> float:
    link = await pool.fresh(pod)
    trip = await link.answers(seconds)
    if trip is None:
        link.abort("it does not answer")
        raise _silent(pod, seconds)
    return trip


def _silent(pod: str, seconds: float) -> KfwError:
    return KfwError(
        f"the way through the API server to pod {pod} is silent for {seconds:g} s",
        "it goes on by itself when the pod's node answers again: kubectl get nodes",
        reason="cluster-unreachable",
    )


def _judge(link: Link, answer: "asyncio.Future[float | None]") -> None:
    """The way is open: who is late gets nothing new, and who does not answer at all is dead. But what lives on it is not
    cut: behind an upload answers are late."""

    def judged(answer: "asyncio.Future[float | None]") -> None:
        if answer.result() is not None:
            link.cleared()
        elif link.live:
            link.retire("it does not answer")
        else:
            link.abort("it does not answer")

    link.suspect = not answer.done()
    answer.add_done_callback(judged)


async def maintain(pool: Pool) -> None:
    """For ever."""
    await keep_going(lambda: _look(pool), Complaints(log, "the care of tunnels").tell)


async def _look(pool: Pool) -> None:
    used = asyncio.get_running_loop().time() - pool.used_at < RECENT
    await asyncio.sleep(LOOK if used else LOOK_UNUSED)
    now = asyncio.get_running_loop().time()
    used = now - pool.used_at < RECENT
    _close_idle(pool, now, used=used)
    pool.spare_free()
    pool.keep_warm()
    silent = SILENT if used else SILENT_UNUSED
    if any(now - link.heard_at > silent for link in pool.links if link.usable):
        await _ask_the_silent(pool)


async def _ask_the_silent(pool: Pool) -> None:
    try:
        await check_path(pool, ANSWER)
    except KfwError:
        return  # it shows in the health checks, and in what is known of the API server


def _close_idle(pool: Pool, now: float, *, used: bool) -> None:
    """But for the one used last: of each pod, or of all when the forward is not used."""
    kept = set[str]()
    for link in sorted(pool.links, key=lambda link: -link.idle_since):
        if not link.free:
            continue
        place = link.pod if used else ""
        if place in kept and now - link.idle_since > IDLE:
            dismiss(link, "it is not needed any more")
        kept.add(place)
