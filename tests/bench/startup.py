"""How long the command line takes as whole processes: `kfw status` against `python -c pass`, `kfw start`, and `kfw targets`
against `kubectl get`."""

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from tests.bench.row import Config, Row, row
from tests.bench.sandbox_process import sandbox
from tests.real.running import KFW, Kfw
from tests.real.talk import free_ports
from tests.whole.program import Program

#: As many rows as a project may have.
FORWARDS = 10
#: More than a page of an API server's list.
SERVICES = 501


def rows(config: Config) -> list[Row]:
    kfw = Kfw(config.rig.kubeconfig)
    try:
        started = [_start_to_answer(kfw) for _ in range(2 if config.short else 5)]
        _bring_up(kfw)
        status, bare = paired_runs(
            [str(KFW), "status"], [sys.executable, "-c", "pass"], kfw.env, rounds=15 if config.short else 60
        )
    finally:
        kfw.close()
    return [
        row(
            f"kfw status with {FORWARDS} forwards, whole process, than python -c pass",
            status * 1000,
            "ms",
            "<= 3x",
            than=bare * 1000,
        ),
        row("kfw start, from exec to a socket that answers", statistics.median(started), "s", "< 2"),
        _targets(rounds=5 if config.short else 20),
    ]


def _targets(*, rounds: int) -> Row:
    """kubectl reads the services alone; kfw the workloads and pods behind them, too, and the right to forward to them."""
    with sandbox(SERVICES) as here:
        kfw = Program(here.kubeconfig)
        try:
            shown = kfw.json("targets", "-A", "service/app")
            assert len(shown) == SERVICES, f"{len(shown)} of {SERVICES} services are shown"
            ours, theirs = paired_runs(
                [str(KFW), "targets", "-A"], ["kubectl", "get", "svc", "-A"], kfw.env, rounds=rounds
            )
        finally:
            kfw.close()
    return row(
        f"kfw targets -A with {SERVICES} services, whole process, than kubectl get svc -A",
        ours,
        "s",
        "< 1",
        than=theirs,
    )


def _bring_up(kfw: Kfw) -> None:
    """Whether they become active does not matter here."""
    forward = {"target": "service/web", "targetPort": 80, "namespace": "demo", "method": "nodeport"}
    kfw.configure({f"web-{n}": forward | {"localPort": port} for n, port in enumerate(free_ports(FORWARDS))})
    kfw("up", code=None)
    assert len(kfw.json("status")["forwards"]) == FORWARDS


def _start_to_answer(kfw: Kfw) -> float:
    """Seconds of `kfw start`, which returns when the socket has answered; the daemon is stopped again."""
    began = time.monotonic()
    kfw("start")
    took = time.monotonic() - began
    kfw("stop")
    return took


def paired_runs(
    one: Sequence[str], other: Sequence[str], env: Mapping[str, str], *, rounds: int
) -> tuple[float, float]:
    """Medians in seconds, of runs in turn, so that both see the same noise; the byte code is there, as it is for users."""
    env = {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(one, env=env, stdout=subprocess.DEVNULL, check=True)
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for argv, times in ((one, took[0]), (other, took[1])):
            began = time.perf_counter()
            subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - began)
    return statistics.median(took[0]), statistics.median(took[1])
