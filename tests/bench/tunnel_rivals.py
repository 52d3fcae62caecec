"""The other ways to the same pod: kfw with its extra `fast`, socat to a node port, kr8s, and krelay and kubefwd where they
are on PATH."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tests.bench import traffic
from tests.bench.processes import started
from tests.bench.tunnel_ways import KFW, Way, kfw_tunnel, said
from tests.real.rig import Rig
from tests.real.talk import free_ports

FAST, SOCAT, KR8S, KRELAY, KUBEFWD = "kfw[fast]", "socat", "kr8s", "krelay", "kubefwd"
#: Seconds that they have: krelay makes a pod of its own in the cluster and needs its image.
PATIENCE = 20.0
#: What all pods of the rig's `web` are behind, and the address that kubefwd is told to give it.
NAMESPACE, SERVICE, ADDRESS = "demo", "multi", "127.3.3.1"
HOSTS = Path("/etc/hosts")

T = TypeVar("T")
Ports = Sequence[int]
Start = Callable[[Rig, str, Ports], AbstractContextManager[Way]]


@contextmanager
def rivals(rig: Rig, pod: str, ports: Ports, names: Sequence[str]) -> Iterator[list[Way]]:
    """Those of `names` that are on this machine and carry; of the others a line says why not."""
    with ExitStack() as stack:
        ways = []
        for name in names:
            if name not in (FAST, KR8S) and not shutil.which(name):
                _absent(name, "not on PATH")
                continue
            try:
                ways.append(stack.enter_context(_STARTS[name](rig, pod, ports)))
            except (OSError, AssertionError) as error:
                _absent(name, str(error))
        yield ways


def asked(ways: Sequence[Way], measure: Callable[[Way], T]) -> dict[str, T]:
    """By who was measured; who fails is left out, which only rivals may."""
    found: dict[str, T] = {}
    for way in ways:
        try:
            found[way.name] = measure(way)
        except (OSError, AssertionError) as error:
            if way.name == KFW:
                raise
            _absent(way.name, f"it fails: {error!r}")
    return found


def _absent(name: str, why: str) -> None:
    print(f"   {name} is not measured: {why}", file=sys.stderr, flush=True)


@contextmanager
def _fast(rig: Rig, pod: str, ports: Ports) -> Iterator[Way]:
    with kfw_tunnel(rig.kubeconfig, f"pod/{pod}", ports, NAMESPACE, loop="uvloop") as (_, way):
        yield replace(way, name=FAST)


@contextmanager
def _socat(rig: Rig, pod: str, ports: Ports) -> Iterator[Way]:
    """A process for each port, and one more for each connection. To a node's port: it knows no other way."""
    there = _node_ports(rig)
    local = dict(zip(ports, free_ports(len(ports)), strict=True))
    with ExitStack() as stack:
        for far, near in local.items():
            listen = f"TCP-LISTEN:{near},bind=127.0.0.1,fork,reuseaddr,backlog=1024"
            stack.enter_context(started([SOCAT, listen, f"TCP:{rig.node_ips[0]}:{there[far]}"]))
        yield _carrying(Way(SOCAT, 0, local))


def _node_ports(rig: Rig) -> dict[int, int]:
    service = json.loads(rig.kubectl("get", "service", SERVICE, "-n", NAMESPACE, "-o", "json"))
    return {one["port"]: one["nodePort"] for one in service["spec"]["ports"]}


@contextmanager
def _kr8s(rig: Rig, pod: str, ports: Ports) -> Iterator[Way]:
    module = [sys.executable, "-m", "tests.bench.kr8s_process"]
    with said(KR8S, [*module, str(rig.kubeconfig), NAMESPACE, pod, *map(str, ports)], ports) as way:
        yield way


@contextmanager
def _krelay(rig: Rig, pod: str, ports: Ports) -> Iterator[Way]:
    local = dict(zip(ports, free_ports(len(ports)), strict=True))
    argv = [KRELAY, "--kubeconfig", str(rig.kubeconfig), "-n", NAMESPACE, f"pod/{pod}", *_pairs(local)]
    with started(argv) as process:
        try:
            yield _carrying(Way(KRELAY, process.pid, local))
        finally:
            _interrupt(process)  # else it leaves its pod in the cluster


@contextmanager
def _kubefwd(rig: Rig, pod: str, ports: Ports) -> Iterator[Way]:
    """It needs root, and rewrites /etc/hosts at its end whichever file it is given: that is put back."""
    before = HOSTS.read_bytes()
    with tempfile.NamedTemporaryFile() as hosts:
        argv = [KUBEFWD, "services", "-c", str(rig.kubeconfig), "-n", NAMESPACE, "--hosts-path", hosts.name]
        argv += ["-f", f"metadata.name={SERVICE}", "-r", f"{SERVICE}.{NAMESPACE}:{ADDRESS}"]
        with started(argv) as process:
            try:
                yield _carrying(Way(KUBEFWD, process.pid, {port: port for port in ports}, ADDRESS))
            finally:
                _interrupt(process)
                if HOSTS.read_bytes() != before:
                    HOSTS.write_bytes(before)


def _pairs(local: dict[int, int]) -> list[str]:
    return [f"{near}:{far}" for far, near in local.items()]


def _interrupt(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        _absent(str(process.args), "it does not end by SIGINT")


def _carrying(way: Way) -> Way:
    """Once its echo answers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            traffic.open_and_echo(way.at(9000))
        except (OSError, AssertionError) as error:
            assert time.monotonic() < end, f"within {PATIENCE:.0f} s it has carried nothing: {error}"
            time.sleep(0.1)
        else:
            return way


_STARTS: dict[str, Start] = {FAST: _fast, SOCAT: _socat, KR8S: _kr8s, KRELAY: _krelay, KUBEFWD: _kubefwd}
ALL = tuple(_STARTS)
