"""Which way a forward takes, why not the others, and what this way cannot do."""

import time
from collections.abc import Iterable

from kfw.choices import METHODS
from kfw.daemon.project_files import has_files, origins_of
from kfw.daemon.project_reader import READ_AGAIN
from kfw.daemon.service import DaemonService
from kfw.errors import KfwError
from kfw.methods.base import Inspectable, Tunnel
from kfw.methods.choose import candidates, why_not
from kfw.methods.probe import probe
from kfw.model import Forward, Health, Problem, Status
from kfw.names import RowId
from kfw.protocol import Candidate, Explanation, ForwardStatus, Origin
from kfw.supervisor.fixes import fix_for, sentence
from kfw.supervisor.runner import Runner
from kfw.supervisor.wanted import Wish, who_said_so
from kfw.system.files import outside


async def explain(core: DaemonService, row: RowId) -> Explanation:
    """Raises UsageError for an unknown name."""
    status = core.supervisor.report(row)
    if status.status in (Status.STOPPED, Status.DISABLED):
        return await _explain_what_is_down(core, row, status)
    runner = core.supervisor.runner(row)
    active = runner.path.active
    project, wish = core.word_about(runner.forward)
    return Explanation(
        forward=status,
        candidates=[_candidate(runner, method) for method in _order(runner)],
        limits=[*_limits_of_pods(runner), *METHODS[active.method.name].limits] if active else [],
        round_trip_ms=await _round_trip(runner),
        wanted=who_said_so(project, row.name, runner.forward.profile),
        origins=await _origins(runner.forward, wish),
    )


async def _explain_what_is_down(core: DaemonService, row: RowId, status: ForwardStatus) -> Explanation:
    """It has no way, and none is looked for."""
    forward = core.supervisor.rows()[row]
    project, wish = core.word_about(forward)
    return Explanation(
        forward=status,
        candidates=[],
        limits=[],
        wanted=who_said_so(project, status.name, forward.profile),
        origins=await _origins(forward, wish),
    )


async def _origins(forward: Forward, wish: Wish | None) -> list[Origin]:
    """Files that are wrong now explain nothing: what is wrong with them is said elsewhere."""
    if wish is None or not has_files(forward.source):
        return []
    try:
        return await outside(lambda: origins_of(forward, wish.source), READ_AGAIN)
    except (KfwError, TimeoutError):
        return []


def _limits_of_pods(runner: Runner) -> tuple[str, ...]:
    if not runner.resolution.unready:
        return ()
    asked = "readiness: running" if runner.forward.readiness == "running" else "the service publishes them"
    return (f"no pod is ready: connections go to running ones anyway ({asked})",)


def _order(runner: Runner) -> Iterable[str]:
    first = candidates(runner.world.methods, runner.forward)
    return (*first, *(name for name in runner.world.methods if name not in first))


def _candidate(runner: Runner, name: str) -> Candidate:
    active = runner.path.active
    if active and active.method.name == name:
        return Candidate(method=name, chosen=True, why=_chosen(active.tunnel))
    for rejected in active.rejected if active else ():
        if rejected.method == name:
            return Candidate(method=name, chosen=False, why=sentence(runner.forward, rejected.problem))
    environ = runner.world.environs.of(runner.forward.id)
    problem = why_not(runner.world.methods, name, runner.resolution, environ) or _unfit(runner, name)
    if problem:
        return Candidate(method=name, chosen=False, why=sentence(runner.forward, problem))
    if name not in candidates(runner.world.methods, runner.forward):
        why = fix_for(runner.forward, f"could be used: set method: {name}")
        return Candidate(method=name, chosen=False, why=why)
    why = (
        "could be used, but one before it works" if active else "could be used, but nothing is connected now"
    )
    return Candidate(method=name, chosen=False, why=why)


def _unfit(runner: Runner, name: str) -> Problem | None:
    """Of methods that are only for some forwards."""
    unfit = getattr(runner.world.methods.get(name), "unfit", None)
    return unfit(runner.forward) if unfit else None


def _chosen(tunnel: Tunnel) -> str:
    how = getattr(tunnel, "how", "")  # of those that can go in more than one way
    return f"goes to {tunnel.endpoint}, {how}" if how else f"goes to {tunnel.endpoint}"


async def _round_trip(runner: Runner) -> float | None:
    """Milliseconds to the far end of the way in use and back; None while there is none."""
    active = runner.path.active
    if active is None:
        return None
    try:
        seconds = await _measured(active.tunnel)
    except KfwError:
        return None
    return None if seconds is None else round(seconds * 1000, 2)


async def _measured(tunnel: Tunnel) -> float | None:
    """Of a PING where the way has one, else of one dial. Raises KfwError."""
    if isinstance(tunnel, Inspectable):
        return await tunnel.round_trip()
    if tunnel.dialer is None:
        return None
    began = time.perf_counter()
    await probe(tunnel.dialer.dial, Health(type="none"))
    return time.perf_counter() - began
