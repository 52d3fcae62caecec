"""What all extras together cost: two daemons with the same forwards to one sandbox, one of which serves Swagger UI, gRPC UI,
the page of `kfw web` and the metrics, while `kfw collect` asks through it every 5 s. Their memory, and what a forward
carries in one and in the other, in paired rounds.
"""

import http.client
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from tests.bench.processes import children, memory
from tests.bench.row import Config, Row, paired, row
from tests.bench.sandbox_process import BenchSandbox, sandbox
from tests.real.running import until
from tests.real.talk import free_ports
from tests.whole.program import Program

OPENS = 200
STREAM = 64 << 20
#: Of the four forwards: that which is measured, and those with a page each. The collector asks through the last.
MEASURED, REST, RPC, ASKED = "f0", "f1", "f2", "f3"
_PATIENCE = 60.0


def rows(config: Config) -> list[Row]:
    with sandbox(4) as here, _plain(here) as plain, _full(here) as full:
        opens, streams = [], []
        for number in range(3 if config.short else 9):
            order = (full, plain) if number % 2 else (plain, full)
            found = {one: (_opens(one), _stream(one)) for one in order}
            opens.append((found[full][0], found[plain][0]))
            streams.append((found[full][1], found[plain][1]))
            _look(full)
        ours, theirs = full.daemon_pid(), plain.daemon_pid()
        everything = sum(memory(pid) for pid in (ours, *children(ours)))
        return [
            paired("all extras: new connections of a forward, than without them", "/s", ">= 0.9x", opens),
            paired("all extras: one stream down, than without them", "MB/s", ">= 0.9x", streams),
            row(
                "all extras: memory of the daemon, than without them",
                memory(ours),
                "MB",
                "< 55",
                than=memory(theirs),
            ),
            row("all extras: memory of the daemon and its children", everything, "MB"),
        ]


@contextmanager
def _plain(here: BenchSandbox) -> Iterator[Program]:
    kfw = Program(here.kubeconfig)
    try:
        kfw.up(here.forwards(free_ports(here.services)))
        yield kfw
    finally:
        kfw.close()


@contextmanager
def _full(here: BenchSandbox) -> Iterator[Program]:
    with ExitStack() as stack:
        kfw = Program(here.kubeconfig)
        stack.callback(kfw.close)
        *ports, metrics = free_ports(here.services + 1)
        forwards = here.forwards(ports)
        forwards[REST] |= {"type": "rest", "apiPath": "api/v1", "swaggerPath": "docs/swagger"}
        forwards[RPC] |= {"type": "rpc", "ui": "own"}
        figure = {"forward": ASKED, "path": "/", "value": "$.port"}
        collector = {"tenants": ["bench"], "metrics": {"app_port": figure}}
        kfw.up(forwards, daemon={"metricsListen": f"127.0.0.1:{metrics}"}, collector=collector)
        kfw.post("/v1/web", {})
        for name in (REST, RPC):
            until(lambda name=name: _page(kfw, name), _PATIENCE, lambda: f"there is no page: {kfw.rows()}")
        events = kfw.folder / "events"
        every = ("--every", "5s", "--bucket-duration", "1s", "--output-file", str(events))
        run = kfw.popen("collect", *every)
        stack.callback(_end, run)
        until(events.exists, _PATIENCE, lambda: "the collector has written nothing")
        yield kfw


def _end(run: "subprocess.Popen[str]") -> None:
    run.terminate()
    run.communicate()


def _page(kfw: Program, name: str) -> str:
    """Its URL, once it answers."""
    return str((kfw.rows()[name].get("ui") or {}).get("url") or "")


def _look(kfw: Program) -> None:
    """At all that is served: what was never looked at has cost little yet."""
    daemon = kfw.daemon()
    for place, path in (
        (_page(kfw, REST), "/kfw/swagger-ui-bundle.js"),
        (_page(kfw, RPC), "/"),
        (daemon["metrics"], "/metrics"),
        (daemon["web"], "/"),
    ):
        _get(place.removeprefix("http://").strip("/"), path)


def _opens(kfw: Program) -> float:
    """New connections a second, one after the other, each with a request."""
    place = _place(kfw)
    began = time.perf_counter()
    for _ in range(OPENS):
        _get(place, "/")
    return OPENS / (time.perf_counter() - began)


def _stream(kfw: Program) -> float:
    """MB/s."""
    began = time.perf_counter()
    assert _get(_place(kfw), f"/bytes?n={STREAM}") == STREAM
    return STREAM / 1e6 / (time.perf_counter() - began)


def _place(kfw: Program) -> str:
    return f"127.0.0.1:{kfw.rows()[MEASURED]['localPort']}"


def _get(place: str, path: str) -> int:
    """How long the answer is."""
    with closing(http.client.HTTPConnection(place, timeout=_PATIENCE)) as connection:
        connection.request("GET", path)
        answer: Any = connection.getresponse()
        size = 0
        while part := answer.read(1 << 20):
            size += len(part)
        return size
