"""Profiles that select, and what changes in their cluster: a sandbox beside the bench, whose objects it moves itself."""

import socket
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from kfw.sandbox.manifests import deployment, namespace, port, service
from tests.bench.processes import memory, processor_share
from tests.bench.row import Config, Row, row
from tests.real.running import until
from tests.real.talk import free_ports
from tests.whole.place import Place, place
from tests.whole.program import Program

PROFILES, EACH = 10, 10
#: Seconds for which memory is watched.
_LONG, _SHORT = 300, 60
_PATIENCE = 30.0


def rows(config: Config) -> list[Row]:
    rounds = 3 if config.short else 10
    with tempfile.TemporaryDirectory(prefix="kfw-bench-") as directory, place(Path(directory)) as here:
        kfw = Program(here.kubeconfig)
        try:
            ports = free_ports(PROFILES * EACH + rounds)
            _fill(here, ports)
            kfw.configure({}, profiles={f"p{one}": {"namespaces": [f"team{one}"]} for one in range(PROFILES)})
            kfw("up")
            _until_active(kfw, PROFILES * EACH)
            spare = ports[PROFILES * EACH :]
            appeared = [_appears(kfw, here, f"late{number}", port) for number, port in enumerate(spare)]
            back = [
                _restarted(here, f"app0-{number % EACH}", ports[number % EACH]) for number in range(rounds)
            ]
            return [
                row(
                    f"daemon: a service that appears is active after, worst of {rounds}",
                    max(appeared),
                    "s",
                    "< 1",
                ),
                row(
                    "daemon: a service that appears is active after, median", statistics.median(appeared), "s"
                ),
                row(
                    f"daemon: its only pod is deleted, until the next one answers, worst of {rounds}",
                    max(back),
                    "s",
                    "< 2",
                ),
                *_memory(kfw, config.minutes * 60 or (_SHORT if config.short else _LONG)),
            ]
        finally:
            kfw.close()


def _fill(here: Place, ports: list[int]) -> None:
    """The services' ports are the local ones."""
    left = iter(ports)
    for team in range(PROFILES):
        where = f"team{team}"
        here.apply(namespace(where))
        for number in range(EACH):
            name = f"app{team}-{number}"
            here.apply(
                deployment(where, name, ports={"http": 8080}), service(where, name, port(next(left), "http"))
            )


def _until_active(kfw: Program, count: int) -> None:
    def are_active() -> bool:
        return sum(one["status"] == "active" for one in kfw.rows().values()) == count

    until(are_active, _PATIENCE, lambda: f"{count} are active of {len(kfw.rows())}")


def _appears(kfw: Program, here: Place, name: str, number: int) -> float:
    """Seconds from the service's creation to a row that is active; its pod runs already."""
    where = "team0"
    here.apply(deployment(where, name, ports={"http": 8080}))
    began = time.monotonic()
    here.do(lambda sandbox: sandbox.apply(service(where, name, port(number, "http"))))
    kfw.until_row(name, _PATIENCE, status="active")
    return time.monotonic() - began


def _restarted(here: Place, app: str, local_port: int) -> float:
    """Seconds from the pod's deletion to an answer of another one."""
    (old,) = here.pods("team0", app)
    began = time.monotonic()
    here.do(lambda sandbox: sandbox.delete("pods", "team0", old))
    while old in (said := _said(local_port)) or not said:
        assert time.monotonic() - began < _PATIENCE, f"{app} does not answer any more"
    return time.monotonic() - began


def _said(local_port: int) -> str:
    """Which pod answers; "" when none does."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", local_port), _PATIENCE) as client:
        client.settimeout(_PATIENCE)
        client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        return client.recv(65536).decode("latin-1")
    return ""


def _memory(kfw: Program, seconds: float) -> list[Row]:
    """With all that came meanwhile; a look at the memory costs the daemon nothing."""
    pid, what = kfw.daemon_pid(), f"{PROFILES} selecting profiles, {PROFILES * EACH} forwards"
    cpu = processor_share(pid, seconds / 2)
    half = memory(pid)
    time.sleep(seconds / 2)
    end = memory(pid)
    return [
        row(f"daemon: {what}, memory after {seconds / 60:g} minutes", end, "MB", "< 50"),
        row(f"daemon: {what}, growth of memory in the second half of them", end - half, "MB", "< 1"),
        row(f"daemon: {what}, processor when nothing happens", cpu * 100, "% of a core"),
    ]
