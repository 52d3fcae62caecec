"""The life of a forward as a picture, drawn from the machine itself: python -m tests.supervisor.draw"""

from collections.abc import Iterator
from pathlib import Path

from kfw.model import Health, Problem, Reason, Retry
from kfw.supervisor import machine_events as machine
from kfw.supervisor.machine import Phase, Snapshot, status_of, step
from kfw.supervisor.machine_events import Event

PAGE = Path(__file__).parents[2] / "docs" / "states.md"

_ILL = Problem(Reason.UNHEALTHY, "")
#: What can happen, in the words of the picture.
EVENTS: dict[str, tuple[Event, ...]] = {
    "the port cannot be taken": (machine.PortNotTaken(Problem(Reason.PORT_IN_USE, "")),),
    "endpoints found": (machine.Found(), machine.Retargeted(goes_on=False)),
    "the same endpoint is there": (machine.Found(), machine.Retargeted(goes_on=True)),
    "no ready pod": (machine.Missing(Problem(Reason.NO_READY_POD, "")),),
    "target gone": (machine.Missing(Problem(Reason.TARGET_NOT_FOUND, "")),),
    "cluster away": (machine.Missing(Problem(Reason.CLUSTER_UNREACHABLE, "")),),
    "opened": (machine.Opened(),),
    "open failed": (machine.OpenFailed(_ILL),),
    "port taken": (machine.OpenFailed(Problem(Reason.PORT_IN_USE, "")),),
    "bad configuration": (machine.OpenFailed(Problem(Reason.BAD_CONFIG, "")),),
    "broke": (machine.Broke(Problem(Reason.CHILD_EXITED, "")),),
    "every pod refuses": (machine.Refused(Problem(Reason.APP_REFUSES, "")),),
    "third failed check": (machine.ProbeFailed(_ILL),),
    "delay over": (machine.DelayOver(),),
    "connection arrives": (machine.ConnectionWaiting(),),
    "retry": (machine.RetryAsked(),),
    "restart": (machine.RestartAsked(),),
    "context changed": (machine.ContextChanged("other"),),
    "a mistake in kfw": (machine.Crashed(Problem(Reason.INTERNAL, "")),),
}

_HEAD = """# The life of a forward

Drawn from `kfw/supervisor/machine.py` by `python -m tests.supervisor.draw`; a test compares.

```mermaid
stateDiagram-v2
    [*] --> looking
"""
_MIDDLE = """```

What people see of each state (`active` turns `degraded` while health checks fail):

| state | before it was up | later |
|---|---|---|
"""


_TAIL = """
With a reason whose row names a status it is that one instead. The rows are those of the table in `kfw/reasons.py`; what to
do about each reason is in [troubleshooting](troubleshooting.md). Where no exit code is named it is 7 while kfw still
tries, else 1. What the cluster says of a target needs no attempts: the forward comes up when it says something else.

| reason | is about | status while nothing is up | a failed attempt is made again | an open path | exit code of `up` |
|---|---|---|---|---|---|
"""


def arrows() -> Iterator[tuple[Phase, str, Phase]]:
    for phase in Phase:
        for words, events in EVENTS.items():
            now = Snapshot(
                phase,
                _ILL,
                bound=True,
                has_endpoints=phase is not Phase.LOST,
                has_path=phase is Phase.UP,
                failed_checks=2,
            )
            after = now
            for event in () if _cannot_be(phase, events[0]) else events:
                after, _ = step(after, event, Retry(), Health())
            if after.phase is not phase:
                yield phase, words, after.phase


def _cannot_be(phase: Phase, event: Event) -> bool:
    """The port is taken before anything else begins."""
    return isinstance(event, machine.PortNotTaken) and phase is not Phase.LOOKING


def page() -> str:
    grouped: dict[tuple[Phase, Phase], list[str]] = {}
    for before, words, after in arrows():
        grouped.setdefault((before, after), []).append(words)
    lines = [f"    {a} --> {b}: {', '.join(words)}\n" for (a, b), words in grouped.items()]
    rows = [
        f"| {phase} | {status_of(Snapshot(phase=phase))} | {status_of(Snapshot(phase=phase, was_active=True))} |\n"
        for phase in Phase
    ]
    return "".join([_HEAD, *lines, _MIDDLE, *rows, _TAIL, *map(_reason, Reason)])


def _reason(reason: Reason) -> str:
    traits = reason.traits
    status = traits.status.value if traits.status else ""
    status += f" after {traits.status_after} failures" if traits.status_after else ""
    code = "" if traits.exit_code is None else traits.exit_code
    kept = "kept" if traits.keeps_path else ""
    return f"| `{reason.value}` | {traits.about.value} | {status} | {traits.attempts.value} | {kept} | {code} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
