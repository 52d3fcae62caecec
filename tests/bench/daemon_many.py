"""One daemon with 200 and with 1,600 tunnel forwards to one API server: a sandbox in a process of its own."""

import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from tests.bench.processes import memory, processor_seconds, processor_share
from tests.bench.row import Config, Row, row
from tests.bench.sandbox_process import BenchSandbox, sandbox
from tests.bench.startup import paired_runs
from tests.real.running import KFW
from tests.real.talk import free_ports
from tests.whole.program import Program

SERVICES = 100
SOME, MANY = 200, 1600
#: Seconds until all must be active, or the bench gives up.
_PATIENCE = 240.0
#: Seconds between two looks at the statuses: each look costs the daemon some, too.
_LOOK = 2.0
#: Seconds until what follows the start is over: 10 until a path counts as settled, and memory that goes back to the system.
_SETTLED = 15.0


def rows(config: Config) -> list[Row]:
    with sandbox(SERVICES) as here:
        return [*_some(here, short=config.short), *_many(here, short=config.short)]


def _some(here: BenchSandbox, *, short: bool) -> list[Row]:
    kfw = Program(here.kubeconfig)
    try:
        forwards = here.forwards(free_ports(SOME))
        kfw.configure(forwards)
        took = [_started(kfw) for _ in range(1 if short else 5)]
        status, bare = paired_runs(
            [str(KFW), "status"], [sys.executable, "-c", "pass"], kfw.env, rounds=10 if short else 40
        )
        reload = [_changed_one(kfw, forwards, number) for number in range(3 if short else 10)]
    finally:
        kfw.close()
    return [
        row(
            f"daemon: {SOME} forwards, from exec of kfw up, daemon included, to its end, when all are active",
            statistics.median(took),
            "s",
            "< 2",
        ),
        row(
            f"kfw status with {SOME} forwards, whole process, than python -c pass",
            status * 1000,
            "ms",
            "<= 3x",
            than=bare * 1000,
        ),
        row(f"daemon: {SOME} forwards, reload with one changed", statistics.median(reload), "s", "< 0.3"),
    ]


def _many(here: BenchSandbox, *, short: bool) -> list[Row]:
    kfw = Program(here.kubeconfig)
    try:
        kfw.configure(here.forwards(free_ports(MANY)))
        kfw("start")
        pid = kfw.daemon_pid()
        began, used = time.monotonic(), processor_seconds(pid)
        up = kfw.popen("up", "--no-wait")
        _until_active(kfw, MANY, _LOOK)
        active, used = time.monotonic() - began, processor_seconds(pid) - used
        up.communicate(timeout=_PATIENCE)
        time.sleep(_SETTLED)
        cpu = processor_share(pid, 20 if short else 60)
        took = [_seconds(lambda: kfw("status")) for _ in range(3 if short else 10)]
        return [
            row(f"daemon: {MANY} forwards, until all are active", active, "s", "< 30"),
            row(f"daemon: {MANY} forwards, processor time of the daemon until then", used, "s"),
            row(f"daemon: {MANY} forwards, memory", memory(pid), "MB", "< 150"),
            row(f"daemon: {MANY} forwards, processor when nothing happens", cpu * 100, "% of a core", "< 2"),
            row(f"kfw status with {MANY} forwards", statistics.median(took), "s", "< 0.3"),
        ]
    finally:
        kfw.close()


def _started(kfw: Program) -> float:
    """Seconds. `kfw up` waits until all are active; a look at the statuses meanwhile would cost what is measured."""
    kfw("down", code=None)
    kfw("stop", code=None)
    took = _seconds(lambda: kfw("up"))
    assert (active := _active(kfw)) == SOME, f"{active} of {SOME} are active"
    return took


def _until_active(kfw: Program, count: int, pause: float) -> None:
    deadline = time.monotonic() + _PATIENCE
    while (active := _active(kfw)) < count:
        assert time.monotonic() < deadline, f"{active} of {count} are active after {_PATIENCE:g} s"
        time.sleep(pause)


def _active(kfw: Program) -> int:
    """0 when it does not say in time: on a busy machine that is not what is measured here."""
    with suppress(OSError, http.client.HTTPException):
        return sum(one["status"] == "active" for one in kfw.rows().values())
    return 0


def _changed_one(kfw: Program, forwards: dict[str, dict[str, object]], number: int) -> float:
    """Seconds of a reload after one forward got another setting; by the control socket, as the command does it."""
    kfw.configure(forwards | {f"f{number}": forwards[f"f{number}"] | {"hold": "20s"}})
    began = time.monotonic()
    told = kfw.post("/v1/reload", {})
    took = time.monotonic() - began
    assert "restarted" in told, json.dumps(told)[:500]
    return took


def _seconds(act: Callable[[], "subprocess.CompletedProcess[str]"]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began
