"""A hundred forwards through kfw's tunnel, idle and with a live TLS connection each; `kubectl port-forward` is the rival."""

import socket
import ssl
import time
from contextlib import ExitStack
from statistics import median
from typing import Any

from tests.bench.processes import memory, processor_share
from tests.bench.row import Config, Row, row
from tests.bench.tunnel_ways import LOCAL, kubectl_forward
from tests.real.rig import Rig
from tests.real.running import Kfw
from tests.real.talk import free_ports

COUNT = 100
TLS = 8443
SERVICE = "service/multi"
#: As many processes as tell their share of what they have in common.
KUBECTLS = 5
SETTLE = 2.0  # seconds


def rows(config: Config) -> list[Row]:
    kfw = Kfw(config.rig.kubeconfig)
    try:
        ours = _ours(kfw, seconds=8 if config.short else 30)
    finally:
        kfw.close()
    rss, pss = _kubectl(config.rig)
    (rss_1, pss_1), (rss_100, pss_100) = ours["one"], ours["idle"]
    live = ours["live"][0]
    return [
        row(f"tunnel: memory with {COUNT} forwards", rss_100, "MB", "< 42"),
        row(f"tunnel: memory with {COUNT} forwards and a live TLS connection each", live, "MB", "< 50"),
        row(f"tunnel: processor, idle with {COUNT} forwards", ours["processor"][0], "% of a core", "< 1"),
        row("tunnel: memory of one forward alone, than kubectl", rss_1, "MB", than=rss),
        row("tunnel: memory of one forward alone, shared in part, than kubectl", pss_1, "MB", than=pss),
        row("tunnel: memory per forward, than kubectl", (rss_100 - rss_1) / (COUNT - 1), "MB", than=rss),
        row(
            "tunnel: memory per forward, shared in part, than kubectl",
            (pss_100 - pss_1) / (COUNT - 1),
            "MB",
            than=pss,
        ),
        row("tunnel: memory per live TLS connection", (live - rss_100) / COUNT, "MB"),
    ]


def _ours(kfw: Kfw, *, seconds: float) -> dict[str, tuple[float, ...]]:
    """(RSS, PSS) in MB of the daemon with one forward, then with all, then with a connection each; its idle share in %."""
    ports = free_ports(COUNT)
    pid = _up(kfw, ports[:1])
    seen: dict[str, tuple[float, ...]] = {"one": _memory(pid)}
    assert _up(kfw, ports) == pid, "the daemon is another one now"
    seen["processor"] = (processor_share(pid, seconds) * 100,)
    seen["idle"] = _memory(pid)
    with ExitStack() as stack:
        clients = [stack.enter_context(_greeted(port)) for port in ports]
        time.sleep(SETTLE)
        seen["live"] = _memory(pid)
        assert all(_answers(client) for client in clients), "a connection did not live"
    return seen


def _up(kfw: Kfw, ports: list[int]) -> int:
    """The daemon's pid, when all of them are active."""
    common: dict[str, Any] = {"target": SERVICE, "targetPort": TLS, "namespace": "demo", "method": "tunnel"}
    kfw.configure({f"f{number}": common | {"localPort": port} for number, port in enumerate(ports)})
    kfw("up")
    status = kfw.json("status")
    active = sum(forward["status"] == "active" for forward in status["forwards"])
    assert active == len(ports), f"{active} of {len(ports)} are active"
    time.sleep(SETTLE)
    return int(status["daemon"]["pid"])


def _greeted(port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_socket(socket.create_connection((LOCAL, port), 20))
    assert _answers(client), "no answer"
    return client


def _answers(client: ssl.SSLSocket) -> bool:
    client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
    return client.recv(65536).startswith(b"HTTP/1.1 200")


def _kubectl(rig: Rig) -> tuple[float, float]:
    """RSS and PSS of a process with one forward: the medians of several side by side."""
    with ExitStack() as stack:
        ways = [
            stack.enter_context(kubectl_forward(rig.kubeconfig, SERVICE, (TLS,))) for _ in range(KUBECTLS)
        ]
        for way in ways:
            _greeted(way.ports[TLS]).close()
        seen = [_memory(way.pid) for way in ways]
    return median(rss for rss, _ in seen), median(pss for _, pss in seen)


def _memory(pid: int) -> tuple[float, float]:
    return memory(pid), memory(pid, "Pss")
