"""`GET /metrics` for Prometheus, where a config asks for it. prometheus-client is imported only then.

Names are by https://prometheus.io/docs/practices/naming/: base units, "_total" for what only grows. What grows goes on
over a restart of the daemon (counters.py).
"""

import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

from kfw import __version__
from kfw.errors import KfwError, PortInUse, ToolMissing, words_of
from kfw.http.bounds import HttpLimits
from kfw.http.messages import Request, Response
from kfw.http.server import HttpServer
from kfw.model import SERVING, Status
from kfw.protocol import ForwardStatus, Totals
from kfw.system import local_ports
from kfw.system.loop import rss_bytes

log = logging.getLogger("kfw.metrics")

#: A scraper and a few people; requests have no body.
LIMITS = HttpLimits(connections=16, head=8 * 1024, body=1024, idle=120.0)

#: Name without "_total", what it counts, and the field of Totals.
COUNTED = (
    ("kfw_forward_restarts", "Times that its connection to the cluster was opened again.", "restarts"),
    ("kfw_forward_reconnects", "Times it became active again.", "reconnects"),
    ("kfw_forward_failures", "Times it became unhealthy or was lost.", "failures"),
    ("kfw_forward_uptime_seconds", "Seconds for which it was active or degraded.", "uptime_seconds"),
    ("kfw_forward_connections", "Connections of clients.", "connections"),
    ("kfw_forward_lost_connections", "Connections that were reset or given up.", "lost_connections"),
)


class MetricsPage:
    """`statuses` come with their totals. `address`: where it is, None while it is off; `problem`: why it is not there."""

    def __init__(self, statuses: Callable[[], Iterable[ForwardStatus]], uptime: Callable[[], float]) -> None:
        self.address: str | None = None
        self.problem = ""
        self.listening: socket.socket | None = None
        self._server = HttpServer(self.answer, name="metrics", limits=LIMITS)
        self._statuses = statuses
        self._uptime = uptime

    def listen(self, address: str, listening: socket.socket) -> None:
        self.listening, self.address = listening, address
        self._server.listen(listening)

    def leave(self) -> None:
        """The socket is another process's."""
        self._server.stop_listening()

    async def close(self) -> None:
        await self._server.close(0)

    async def answer(self, request: Request) -> Response:
        if request.path != "/metrics":
            return Response(404, b"see /metrics\n", "text/plain; charset=utf-8")
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"GET it\n", "text/plain; charset=utf-8", {"allow": "GET, HEAD"})
        from prometheus_client import CONTENT_TYPE_LATEST

        return Response(body=self.text(), content_type=CONTENT_TYPE_LATEST)

    def text(self) -> bytes:
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Any]:
        """Called by prometheus-client."""
        rows = list(self._statuses())
        yield from _of_daemon(self._uptime())
        yield from _now(rows)
        yield from _counted(rows)


def _of_daemon(uptime: float) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("kfw_daemon", "The daemon.", {"version": __version__})
    yield GaugeMetricFamily("kfw_daemon_uptime_seconds", "Seconds since it was started.", uptime)
    if (rss := rss_bytes()) is not None:
        yield GaugeMetricFamily("kfw_daemon_resident_memory_bytes", "Its resident memory.", rss)


def _now(rows: list[ForwardStatus]) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    about = InfoMetricFamily("kfw_forward", "What it leads to.", labels=["project", "forward"])
    up = GaugeMetricFamily("kfw_forward_up", "1 while bytes flow.", labels=["project", "forward"])
    states = GaugeMetricFamily(
        "kfw_forward_status", "1 for its current status.", labels=["project", "forward", "status"]
    )
    open_now = GaugeMetricFamily(
        "kfw_forward_open_connections", "Connections now.", labels=["project", "forward"]
    )
    for row in rows:
        about.add_metric([row.project, row.name], _about(row))
        up.add_metric([row.project, row.name], row.status in SERVING)
        open_now.add_metric([row.project, row.name], row.connections)
        for status in Status:
            states.add_metric([row.project, row.name, status.value], row.status is status)
    yield from (about, up, states, open_now)


def _about(row: ForwardStatus) -> dict[str, str]:
    return {
        "profile": row.profile or "",
        "context": row.context,
        "namespace": row.namespace,
        "target": row.target,
        "method": row.method,
        "port": str(row.local_port),
    }


def _counted(rows: list[ForwardStatus]) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily

    totals = [(row, row.totals if isinstance(row.totals, Totals) else Totals(since="")) for row in rows]
    for metric, what, field in COUNTED:
        family = CounterMetricFamily(metric, what, labels=["project", "forward"])
        for row, total in totals:
            family.add_metric([row.project, row.name], getattr(total, field))
        yield family
    carried = CounterMetricFamily(
        "kfw_forward_bytes",
        "Bytes carried; in is to the clients.",
        labels=["project", "forward", "direction"],
    )
    for row, total in totals:
        carried.add_metric([row.project, row.name, "in"], total.bytes_in)
        carried.add_metric([row.project, row.name, "out"], total.bytes_out)
    yield carried


@asynccontextmanager
async def serving(
    page: MetricsPage, listen: str | None, listening: socket.socket | None = None
) -> AsyncIterator[None]:
    """At `listen`, such as `127.0.0.1:9464` or `[::1]:9464`. That it cannot be there is not a reason to forward nothing.
    `listening`: it is there, handed over."""
    if listen:
        try:
            page.listen(listen, listening or _bind(listen))
        except KfwError as error:
            page.problem = (
                f"cannot serve the metrics page: {error.what}{f'; {error.fix}' if error.fix else ''}"
            )
            log.error("%s", page.problem)
        else:
            log.info("metrics are on http://%s/metrics", listen)
    try:
        yield
    finally:
        await page.close()


def _bind(listen: str) -> socket.socket:
    """Raises KfwError."""
    try:
        import prometheus_client  # noqa: F401  # 0.04 s and 3 MB that only those pay who want it
    except ImportError as error:
        from kfw.system.installation import how_to_get

        raise ToolMissing("prometheus-client is not installed", how_to_get("metrics")) from error
    host, _, number = listen.rpartition(":")
    address = "127.0.0.1" if host == "localhost" else host.strip("[]")
    if not ip_address(address).is_loopback:
        log.warning("daemon.metricsListen is %s: anyone who can reach this machine can read it", listen)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, int(number)))
        listening.listen(16)
    except OSError as error:
        listening.close()
        who = local_ports.holder(int(number)) or words_of(error)
        raise PortInUse(f"cannot listen on {listen}: {who}", "choose another daemon.metricsListen") from error
    return listening
