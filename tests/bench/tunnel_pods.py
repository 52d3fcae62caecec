"""Pods come and go behind kfw's tunnel: a rolling restart under load, the pod in use killed, all of them killed."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.connects import Connects
from tests.bench.row import Config, Row, row
from tests.bench.tunnel_ways import kfw_tunnel, kubectl_forward, pods
from tests.real.rig import Rig
from tests.real.running import until

PER_SECOND = 150
TARGET, PORT = "service/web", 8080

_APP: dict[str, Any] = {
    "name": "app",
    "image": "kfw-app:1",
    "env": [{"name": "DRAIN_MS", "value": "3000"}],
    "readinessProbe": {"httpGet": {"path": "/ready", "port": PORT}, "periodSeconds": 1},
}
WEB: dict[str, Any] = {
    "kind": "Deployment",
    "apiVersion": "apps/v1",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": 10, "containers": [_APP]},
        },
    },
}
SERVICE: dict[str, Any] = {
    "kind": "Service",
    "apiVersion": "v1",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": PORT}]},
}


def rows(config: Config) -> list[Row]:
    rig, rounds = config.rig, 1 if config.short else 5
    with web_of_three(rig) as namespace:
        theirs = None if config.short else _rolling_kubectl(rig, namespace)
        with kfw_tunnel(rig.kubeconfig, TARGET, (PORT,), namespace) as (_, kfw):
            port = kfw.ports[PORT]
            return [
                _failed(
                    f"rolling restart of 3 at {PER_SECOND} connects/s", _rolling(rig, namespace, port), theirs
                ),
                _one_killed(rig, namespace, port, rounds),
                *_all_killed(rig, namespace, port, rounds),
            ]


@contextmanager
def web_of_three(rig: Rig) -> Iterator[str]:
    namespace = f"kfw-tunnel-{os.getpid()}"
    rig.kubectl("create", "namespace", namespace)
    try:
        for wanted in (WEB, SERVICE):
            rig.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(wanted))
        until_complete(rig, namespace)
        yield namespace
    finally:
        rig.kubectl("delete", "namespace", namespace, "--wait=false")


def until_complete(rig: Rig, namespace: str) -> None:
    rig.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=120s", timeout=130)


def _rolling(rig: Rig, namespace: str, port: int) -> Connects:
    with Connects(port, PER_SECOND) as connects:
        time.sleep(1)
        rig.kubectl("rollout", "restart", "deployment/web", "-n", namespace)
        until_complete(rig, namespace)
        time.sleep(4)  # the old ones drain for 3 s
    return connects


def _rolling_kubectl(rig: Rig, namespace: str) -> Connects:
    """Of its own, for afterwards its pod is gone and it is of no more use."""
    with kubectl_forward(rig.kubeconfig, TARGET, (PORT,), namespace) as way:
        return _rolling(rig, namespace, way.ports[PORT])


def _one_killed(rig: Rig, namespace: str, port: int, rounds: int) -> Row:
    with Connects(port, 50) as connects:
        for _ in range(rounds):
            time.sleep(0.5)
            kill(rig, namespace, connects.last_pod)
            until_complete(rig, namespace)
    return _failed(f"the pod in use killed {rounds} times at 50 connects/s", connects)


def _all_killed(rig: Rig, namespace: str, port: int, rounds: int) -> Iterator[Row]:
    with Connects(port, 50, patience=30) as connects, _Readiness(rig, namespace) as readiness:
        waits = [_outage(rig, namespace, connects, readiness) for _ in range(rounds)]
    name = f"all pods killed {rounds} times"
    yield row(f"tunnel: {name}, from ready to the first answer, worst", max(waits), "s", "< 0.3")
    yield _failed(name, connects)


def _outage(rig: Rig, namespace: str, connects: Connects, readiness: "_Readiness") -> float:
    """Seconds from the first new pod's being ready to the first answer of a new pod."""
    time.sleep(0.5)
    old = set(pods(rig, "app=web", namespace))
    killed = time.monotonic()
    kill(rig, namespace, *old)
    answered = until(lambda: connects.first_answer(killed, not_of=old), 60, lambda: "an answer of a new pod")
    until_complete(rig, namespace)
    return answered - readiness.first(killed, not_of=old)


def kill(rig: Rig, namespace: str, *names: str) -> None:
    rig.kubectl("delete", "pod", *names, "-n", namespace, "--grace-period=0", "--force", "--wait=false")


def _failed(what: str, connects: Connects, rival: Connects | None = None) -> Row:
    for failure in connects.failures[:5]:
        print(f"   {failure.failed} after {failure.ended - failure.began:.2f} s", file=sys.stderr)
    name, than = f"tunnel: {what}, failed of {len(connects.attempts)}", None
    if rival:
        name, than = f"{name}, than kubectl of {len(rival.attempts)}", len(rival.failures)
    return row(name, len(connects.failures), "connections", "== 0", than=than)


class _Readiness:
    """When each pod was ready first, as `kubectl get --watch` tells."""

    _COLUMNS = 'jsonpath={.metadata.name}{" "}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}'

    def __init__(self, rig: Rig, namespace: str) -> None:
        argv = ["kubectl", "--kubeconfig", str(rig.kubeconfig), "get", "pods", "-n", namespace]
        argv += ["-l", "app=web", "--watch", "-o", self._COLUMNS]
        self._at: dict[str, float] = {}
        self._watch = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read)

    def first(self, after: float, *, not_of: set[str]) -> float:
        return min(at for name, at in tuple(self._at.items()) if at > after and name not in not_of)

    def __enter__(self) -> "_Readiness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.kill()
        self._thread.join()
        self._watch.wait()

    def _read(self) -> None:
        assert self._watch.stdout is not None
        for line in self._watch.stdout:
            name, _, ready = line.strip().partition(" ")
            if ready == "True":
                self._at.setdefault(name, time.monotonic())
