"""How soon a dead child is noticed and replaced, and what clients notice when a pod is deleted."""

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.row import Config, Row, row
from tests.real import talk
from tests.real.rig import Rig
from tests.real.running import Kfw, until

#: Two pods that drain for a second, behind a service with a node port that the cluster chooses.
PODS: dict[str, Any] = {
    "kind": "Deployment",
    "apiVersion": "apps/v1",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "terminationGracePeriodSeconds": 5,
                "containers": [
                    {
                        "name": "app",
                        "image": "kfw-app:1",
                        "env": [{"name": "DRAIN_MS", "value": "1000"}],
                        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1},
                    }
                ],
            },
        },
    },
}
SERVICE: dict[str, Any] = {
    "kind": "Service",
    "apiVersion": "v1",
    "metadata": {"name": "web"},
    "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}


def rows(config: Config) -> list[Row]:
    rounds = 2 if config.short else 5
    with _web_of_ones_own(config.rig) as namespace:
        made: list[Row] = []
        for method in ("socat", "kubectl"):
            noticed, back = _killed_child(config.rig, namespace, method, rounds)
            made += [
                row(f"{method}: killed child until reconnecting, worst of {rounds}", noticed, "s", "< 0.5"),
                row(f"{method}: killed child until active again, worst of {rounds}", back, "s", "< 1.5"),
            ]
        for method in ("nodeport", "kubectl"):
            failed, tried = _deleted_pod(config.rig, namespace, method, rounds)
            name = f"{method}: failed new connections of {tried} while {rounds} pods are deleted"
            made.append(row(name, failed, "failures", "== 0"))
        return made


@contextmanager
def _web_of_ones_own(rig: Rig) -> Iterator[str]:
    namespace = f"kfw-bench-{os.getpid()}"
    rig.kubectl("create", "namespace", namespace)
    try:
        for wanted in (PODS, SERVICE):
            rig.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(wanted))
        rig.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s")
        yield namespace
    finally:
        rig.kubectl("delete", "namespace", namespace, "--wait=false")


@contextmanager
def _forwarded(rig: Rig, namespace: str, method: str) -> Iterator[tuple[Kfw, int]]:
    kfw = Kfw(rig.kubeconfig)
    port = talk.free_ports(1)[0]
    forward = {
        "target": "service/web",
        "targetPort": 80,
        "namespace": namespace,
        "localPort": port,
        "method": method,
    }
    kfw.configure({"web": forward})
    try:
        kfw("up")
        yield kfw, port
    except BaseException:
        print(kfw.log(), file=sys.stderr)
        raise
    finally:
        kfw.close()


def _killed_child(rig: Rig, namespace: str, method: str, rounds: int) -> tuple[float, float]:
    """Seconds from SIGKILL to `reconnecting`, and from there to `active`: the worst of all rounds.

    A forward of its own for each: a child that dies over and over is started later each time, and rightly so.
    """
    times = [_one_killed_child(rig, namespace, method) for _ in range(rounds)]
    return max(noticed for noticed, _ in times), max(back for _, back in times)


def _one_killed_child(rig: Rig, namespace: str, method: str) -> tuple[float, float]:
    with _forwarded(rig, namespace, method) as (kfw, _):
        pid = kfw.wait("web", "active")["pid"]
        statuses = _Statuses(kfw)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        noticed = statuses.when("reconnecting", 5)
        return noticed - killed, statuses.when("active", 15) - noticed


class _Statuses:
    """The daemon's events as they come, each with the time of its coming."""

    def __init__(self, kfw: Kfw) -> None:
        self._stream = _events(kfw)

    def when(self, status: str, within: float) -> float:
        end = time.monotonic() + within
        for event in self._stream:
            if (event.get("forward") or {}).get("status") == status:
                return time.monotonic()
            if time.monotonic() > end:
                break
        raise AssertionError(f"never {status} within {within} s")


def _events(kfw: Kfw) -> Iterator[dict[str, Any]]:
    """Server-sent events of the control socket, as `curl --unix-socket` shows them. Subscribed when this returns."""
    connection = http.client.HTTPConnection("kfw", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(str(kfw.home / "run" / "kfw.sock"))
    connection.request("GET", "/v1/events?follow=true")
    reply = connection.getresponse()
    assert reply.status == 200, reply.read()
    return (json.loads(line[5:]) for line in reply if line.startswith(b"data:"))


def _deleted_pod(rig: Rig, namespace: str, method: str, rounds: int) -> tuple[int, int]:
    """(failed, tried): a new connection with a request every 20 ms, while one of two ready pods is deleted at a time."""
    with _forwarded(rig, namespace, method) as (_, port), _Clients(port) as clients:
        for _ in range(rounds):
            _delete_the_pod_that_answers(rig, namespace, port)
    assert clients.tried > 50 * rounds, f"only {clients.tried} connections were tried"
    for failure in clients.failures[:5]:
        print(f"   {method}: {failure}")
    return len(clients.failures), clients.tried


def _delete_the_pod_that_answers(rig: Rig, namespace: str, port: int) -> None:
    victim = talk.pod_behind(port)
    rig.kubectl("delete", "pod", victim, "-n", namespace, "--wait=true")
    ready = ("get", "deployment/web", "-n", namespace, "-o", "jsonpath={.status.readyReplicas}")
    until(lambda: rig.kubectl(*ready) == "2", 30, lambda: "two pods are ready")


class _Clients:
    """Somebody who makes a new connection every 20 ms and asks for a page on it."""

    def __init__(self, port: int) -> None:
        self.failures: list[str] = []
        self.tried = 0
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> "_Clients":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.5)
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._over.wait(0.02):
            self.tried += 1
            try:
                talk.pod_behind(self._port, timeout=10)
            except OSError as error:
                self.failures.append(f"{time.strftime('%X')} {error}")
