"""The life of a forward as a picture, drawn from the machine itself: python -m tests.supervisor.draw"""

from collections.abc import Iterator
from pathlib import Path

from kfw.model import Health, Problem, Reason, Retry
from kfw.supervisor import machine
from kfw.supervisor.machine import Event, Phase, Snapshot, status_of, step

PAGE = Path(__file__).parents[2] / "docs" / "states.md"

_ILL = Problem(Reason.UNHEALTHY, "")
#: What can happen, in the words of the picture.
EVENTS: dict[str, Event] = {
    "endpoints found": machine.Found(),
    "the same endpoint is there": machine.Found(same=True),
    "no ready pod": machine.Missing(Problem(Reason.NO_READY_POD, "")),
    "target gone": machine.Missing(Problem(Reason.TARGET_NOT_FOUND, "")),
    "cluster away": machine.Missing(Problem(Reason.CLUSTER_UNREACHABLE, "")),
    "opened": machine.Opened(),
    "open failed": machine.OpenFailed(_ILL),
    "port taken": machine.OpenFailed(Problem(Reason.PORT_IN_USE, "")),
    "broke": machine.Broke(Problem(Reason.CHILD_EXITED, "")),
    "every pod refuses": machine.Refused(Problem(Reason.APP_REFUSES, "")),
    "third failed check": machine.ProbeFailed(_ILL),
    "delay over": machine.DelayOver(),
    "connection arrives": machine.ConnectionWaiting(),
    "retry": machine.RetryAsked(),
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


def arrows() -> Iterator[tuple[Phase, str, Phase]]:
    for phase in Phase:
        for words, event in EVENTS.items():
            now = Snapshot(phase=phase, problem=_ILL, has_endpoints=phase is not Phase.LOST, failed_checks=2)
            after, _ = step(now, event, Retry(), Health())
            if after.phase is not phase:
                yield phase, words, after.phase


def page() -> str:
    grouped: dict[tuple[Phase, Phase], list[str]] = {}
    for before, words, after in arrows():
        grouped.setdefault((before, after), []).append(words)
    lines = [f"    {a} --> {b}: {', '.join(words)}\n" for (a, b), words in grouped.items()]
    rows = [
        f"| {phase} | {status_of(Snapshot(phase=phase))} | {status_of(Snapshot(phase=phase, was_active=True))} |\n"
        for phase in Phase
    ]
    tail = "\nWith a problem whose reason needs the user it is `error`, and `suspended` while the cluster cannot be asked.\n"
    return "".join([_HEAD, *lines, _MIDDLE, *rows, tail])


if __name__ == "__main__":
    PAGE.write_text(page())
