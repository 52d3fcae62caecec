"""One short handler per request of kfw.protocol. Errors of the KfwError family become ErrorReply here."""

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from kfw import __version__, paths
from kfw.daemon.connections import Connections
from kfw.daemon.counters import Counters
from kfw.daemon.event_stream import event_stream, interval_of
from kfw.daemon.explain import explain
from kfw.daemon.forward_pages import ForwardPages
from kfw.daemon.handover import Handover
from kfw.daemon.measurement import Measurement
from kfw.daemon.metrics_page import MetricsPage
from kfw.daemon.project_files import remote_defaults
from kfw.daemon.project_reader import READ_AGAIN
from kfw.daemon.request_validation import check, check_environ, check_source, shortened, shown
from kfw.daemon.service import DaemonService
from kfw.daemon.starts import Starts
from kfw.daemon.target_discovery import Discovery
from kfw.daemon.web_page import WebPage
from kfw.errors import KfwError, UsageError
from kfw.http.messages import Request, Response
from kfw.names import RowId
from kfw.perf_protocol import PerfReply, PerfRequest
from kfw.protocol import (
    AgainRequest,
    ClustersReply,
    ConnectionsReply,
    DaemonInfo,
    ErrorReply,
    Event,
    Explanation,
    ForwardStatus,
    HandoverReply,
    HandoverRequest,
    LocalPort,
    LogReply,
    NamesReply,
    NamesRequest,
    PortsReply,
    PortsRequest,
    ReloadRequest,
    StartRequest,
    StatusReply,
    SwitchRequest,
    TapEvent,
    TargetsReply,
    TargetsRequest,
    UpReply,
    UpRequest,
    WebReply,
    WebRequest,
)
from kfw.supervisor.plan import Plan
from kfw.system.files import outside
from kfw.system.loop import rss_bytes

log = logging.getLogger("kfw.handlers")

#: Of a request that is for several forwards.
MOST_NAMES, LONGEST_NAME = 5000, 253 + 4096  # a project may be named by its path
#: Characters of each part of an error: a list of unknown names may be long.
LONGEST_WORDS = 4000
#: Of the log, when nobody says how many, and at most.
LOG_LINES, MOST_LOG_LINES = 100, 2000

T = TypeVar("T")


@dataclass(frozen=True)
class Route:
    """What openapi.py needs to know of a request, and who answers it."""

    method: str
    path: str  # may end in a {name} part
    summary: str
    takes: Any  # type of the body, None for none
    gives: Any
    answer: Callable[["Handlers", Request], Awaitable[Response]]


class Handlers:
    def __init__(
        self,
        core: DaemonService,
        connections: Connections,
        counters: Counters,
        metrics: MetricsPage,
        handover: Handover,
        pages: ForwardPages,
    ) -> None:
        self._handover = handover
        self._pages = pages
        self._core = core
        self._connections = connections
        self._counters = counters
        self._metrics = metrics
        self._starts = Starts(core)
        self._discovery = Discovery(core.supervisor)
        self._measurement = Measurement(connections)
        #: `kfw web`; it asks here what a page asks for.
        self.web = WebPage(self)

    async def __call__(self, request: Request) -> Response:
        try:
            self._refuse_for_heir()
            routes = [route for route in ROUTES if _matches(route.path, request.path)]
            method = "GET" if request.method == "HEAD" else request.method
            for route in routes:
                if route.method == method:
                    return await route.answer(self, request)
            return _no_route(request, routes)
        except KfwError as error:
            return _refusal(error, 400 if isinstance(error, UsageError) else 409)
        except Exception:
            log.exception("cannot answer %s %s", request.method, request.path)
            return _json(ErrorReply(what="internal error", fix=f"see {paths.log_file().name}"), 500)

    def _refuse_for_heir(self) -> None:
        """Who keeps a connection open would go on asking the daemon before."""
        if self._core.heir is not None:
            raise KfwError(f"pid {self._core.heir} has taken over", "ask again, over a new connection")

    async def ping(self, _: Request) -> Response:
        return _json(self._info())

    async def status(self, _: Request) -> Response:
        rows = [self._pages.shown(row) for row in self._counters.sample(self._core.supervisor.statuses())]
        remote = remote_defaults(self._core.config_urls())
        return _json(StatusReply(self._info(), rows, self._core.events.last, remote))

    async def explain(self, request: Request) -> Response:
        name = unquote(request.path.split("/")[3])
        project = unquote(request.query.get("project") or "")
        found = await explain(self._core, self._core.one(name, project))
        return _json(msgspec.structs.replace(found, forward=self._pages.shown(found.forward)))

    async def connections(self, _: Request) -> Response:
        return _json(ConnectionsReply(await self._connections.report(self._core.supervisor.endpoints())))

    async def tap(self, request: Request) -> Response:
        name = unquote(request.path.split("/")[3])
        row = self._core.one(name, unquote(request.query.get("project") or ""))
        if row not in self._core.supervisor.listeners():
            what = f"kfw does not carry the traffic of '{name}'"
            fix = f"it is not up, or a program of its method has the port; `kfw explain {name}` says which"
            raise KfwError(what, fix)
        return Response(content_type="text/event-stream", body=self._connections.taps.stream(row))

    async def up(self, request: Request) -> Response:
        asked = _body(request, UpRequest)
        check(asked)
        return self._changes(await self._core.up(asked))

    async def down(self, request: Request) -> Response:
        asked = _names_in(request)
        if asked.context and not asked.names:
            self._starts.close(asked.context)
        return self._names(await self._core.down(asked))

    async def remove(self, request: Request) -> Response:
        return self._names(await self._core.remove(_names_in(request)))

    async def enable(self, request: Request) -> Response:
        return self._names(await self._core.enable(_switch(request)))

    async def disable(self, request: Request) -> Response:
        return self._names(await self._core.disable(_switch(request)))

    async def restart(self, request: Request) -> Response:
        return self._names(self._core.restart(_again(request)))

    async def retry(self, request: Request) -> Response:
        return self._names(self._core.retry(_again(request)))

    async def reload(self, request: Request) -> Response:
        asked = _body(request, ReloadRequest)
        check_environ(asked.environ)
        return self._changes(await self._core.reload(asked))

    async def start(self, request: Request) -> Response:
        asked = _body(request, StartRequest)
        check_environ(asked.environ)
        return _json(await self._starts.start(asked))

    async def clusters(self, request: Request) -> Response:
        return _json(await self._discovery.clusters(request.query.get("kubeconfig")))

    async def targets(self, request: Request) -> Response:
        asked = _body(request, TargetsRequest)
        check_environ(asked.environ)
        return _json(await self._discovery.targets(asked))

    async def target_ports(self, request: Request) -> Response:
        asked = _body(request, PortsRequest)
        check_environ(asked.environ)
        return _json(await self._discovery.ports(asked))

    async def local_port(self, request: Request) -> Response:
        text = request.path.split("/")[3]
        if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535):
            raise UsageError(f"{shown(text)} is not a port", "a port is a number from 1 to 65535")
        return _json(await self._discovery.local_port(int(text)))

    async def logs(self, request: Request) -> Response:
        from kfw.system.log_lines import about, last_lines  # for who looks at it only

        count = min(_whole_number(request.query, "lines") or LOG_LINES, MOST_LOG_LINES)
        name = request.query.get("name", "")[:LONGEST_NAME]
        found = await outside(
            lambda: last_lines(paths.log_file(), count, about(name) if name else bool), READ_AGAIN
        )
        return _json(LogReply(found))

    async def perf(self, request: Request) -> Response:
        return _json(await self._measurement.run(_body(request, PerfRequest)))

    async def open_web(self, request: Request) -> Response:
        asked = _body(request, WebRequest)
        check_environ(asked.environ)
        return _json(self.web.open(asked))

    async def stop_web(self, _: Request) -> Response:
        await self.web.close()
        self._core.end_if_unused()
        return _json({})

    async def handover(self, request: Request) -> Response:
        return _json(await self._handover.give(_body(request, HandoverRequest)))

    async def stop(self, _: Request) -> Response:
        self._core.stop("asked over the socket")
        return _json({})

    async def events(self, request: Request) -> Response:
        since = _whole_number(request.query, "since")
        follow = request.query.get("follow") or "false"
        if follow not in ("true", "false"):
            raise UsageError(f"'follow' must be true or false, not {shown(follow)}")
        if follow == "false" or request.method == "HEAD":
            return _json(self._core.events.since(since or 0))
        interval = interval_of(request.query.get("traffic") or "")
        stream = event_stream(self._core.events, since, self._core.supervisor.statuses, interval)
        return Response(content_type="text/event-stream", body=stream)

    async def openapi(self, _: Request) -> Response:
        from kfw.daemon.openapi import encoded  # 40 ms that no ordinary request pays

        return Response(body=encoded(ROUTES))

    def _changes(self, done: Plan) -> Response:
        kinds = (done.start, done.restart, done.stop, done.keep)
        shown = self._core.supervisor.names.of_all(row for rows in kinds for row in rows)
        started, restarted, stopped, unchanged = ([shown[row] for row in rows] for rows in kinds)
        by_text = {text: row for row, text in shown.items()}
        return _json(UpReply(started, restarted, stopped, unchanged, by_text))

    def _names(self, rows: list[RowId]) -> Response:
        shown = self._core.supervisor.names.of_all(rows)
        return _json(NamesReply([shown[row] for row in rows], {text: row for row, text in shown.items()}))

    def _info(self) -> DaemonInfo:
        return DaemonInfo(
            running=True,
            pid=os.getpid(),
            version=__version__,
            uptime_seconds=round(self._core.uptime(), 3),
            rss_bytes=rss_bytes(),
            socket=str(paths.socket_path()),
            metrics=self._metrics.address,
            web=self.web.address,
            warnings=[*self._core.warnings(), *filter(None, [self._metrics.problem])],
        )


ROUTES = (
    Route("GET", "/v1/ping", "The daemon itself.", None, DaemonInfo, Handlers.ping),
    Route("GET", "/v1/status", "The daemon and every forward.", None, StatusReply, Handlers.status),
    Route(
        "GET",
        "/v1/forwards/{name}/explain",
        "Which method is used, and why not others.",
        None,
        Explanation,
        Handlers.explain,
    ),
    Route(
        "GET",
        "/v1/connections",
        "Who is connected, and who was.",
        None,
        ConnectionsReply,
        Handlers.connections,
    ),
    Route(
        "GET",
        "/v1/forwards/{name}/tap",
        "What goes through, as SSE.",
        None,
        list[TapEvent],
        Handlers.tap,
    ),
    Route("POST", "/v1/up", "Start what is wanted and not up yet.", UpRequest, UpReply, Handlers.up),
    Route(
        "POST",
        "/v1/down",
        "Stop forwards; without names all of the project.",
        NamesRequest,
        NamesReply,
        Handlers.down,
    ),
    Route("POST", "/v1/remove", "Stop forwards and forget them.", NamesRequest, NamesReply, Handlers.remove),
    Route("POST", "/v1/enable", "Start, and undo disable.", SwitchRequest, NamesReply, Handlers.enable),
    Route(
        "POST", "/v1/disable", "Stop, and stay out of a bare up.", SwitchRequest, NamesReply, Handlers.disable
    ),
    Route("POST", "/v1/restart", "Reconnect.", AgainRequest, NamesReply, Handlers.restart),
    Route(
        "POST", "/v1/retry", "Retry waiting or failed forwards now.", AgainRequest, NamesReply, Handlers.retry
    ),
    Route("POST", "/v1/reload", "Read the config files again.", ReloadRequest, UpReply, Handlers.reload),
    Route(
        "POST",
        "/v1/handover",
        "A new daemon takes over the ports.",
        HandoverRequest,
        HandoverReply,
        Handlers.handover,
    ),
    Route(
        "POST",
        "/v1/start",
        "Start one, answer when it is active.",
        StartRequest,
        ForwardStatus,
        Handlers.start,
    ),
    Route(
        "GET",
        "/v1/clusters",
        "Contexts, with their forwards counted.",
        None,
        ClustersReply,
        Handlers.clusters,
    ),
    Route("POST", "/v1/targets", "What can be forwarded.", TargetsRequest, TargetsReply, Handlers.targets),
    Route(
        "POST", "/v1/target-ports", "The ports of a target.", PortsRequest, PortsReply, Handlers.target_ports
    ),
    Route(
        "GET", "/v1/local-ports/{port}", "Is it free, and who has it.", None, LocalPort, Handlers.local_port
    ),
    Route("GET", "/v1/logs", "The last lines of the log.", None, LogReply, Handlers.logs),
    Route("POST", "/v1/perf", "How long openings take, and why.", PerfRequest, PerfReply, Handlers.perf),
    Route("POST", "/v1/web", "Serve the page of `kfw web`.", WebRequest, WebReply, Handlers.open_web),
    Route("POST", "/v1/web/stop", "Stop serving the page.", None, dict[str, str], Handlers.stop_web),
    Route("POST", "/v1/stop", "End the daemon and what it started.", None, dict[str, str], Handlers.stop),
    Route("GET", "/v1/events", "Changes, as a list or followed as SSE.", None, list[Event], Handlers.events),
    Route("GET", "/v1/openapi.json", "This API.", None, dict[str, Any], Handlers.openapi),
)


def _matches(pattern: str, path: str) -> bool:
    want, have = pattern.split("/"), path.split("/")
    return len(want) == len(have) and all(
        w == h or (w.startswith("{") and h) for w, h in zip(want, have, strict=True)
    )


def _no_route(request: Request, same_path: list[Route]) -> Response:
    """RFC 9110, 15.5.5 and 15.5.6."""
    if not same_path:
        fix = "GET /v1/openapi.json lists all paths"
        return _refusal(UsageError(f"there is no {shown(request.path)}", fix), 404)
    allowed = ", ".join(route.method for route in same_path)
    return replace(_refusal(UsageError(f"{request.path} takes {allowed}"), 405), headers={"allow": allowed})


def _refusal(error: KfwError, status: int) -> Response:
    what, fix = error.what[:LONGEST_WORDS], error.fix[:LONGEST_WORDS]
    return _json(ErrorReply(what=what, fix=fix, reason=error.reason, exit_code=error.exit_code), status)


def _names_in(request: Request) -> NamesRequest:
    asked = _body(request, NamesRequest)
    _check_names(asked.names)
    return asked


def _switch(request: Request) -> SwitchRequest:
    asked = _body(request, SwitchRequest)
    _check_names(asked.names)
    check_source(asked.source)
    check_environ(asked.environ)
    return asked


def _again(request: Request) -> AgainRequest:
    asked = _body(request, AgainRequest)
    _check_names(asked.names)
    check_environ(asked.environ)
    return asked


def _check_names(names: list[str]) -> None:
    if len(names) > MOST_NAMES or any(len(name) > LONGEST_NAME for name in names):
        raise UsageError(f"send at most {MOST_NAMES} names of at most {LONGEST_NAME} characters")


def _body(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(request.body or b"{}", type=kind)
    except RecursionError as error:
        raise UsageError(f"the request's body is not a {kind.__name__}: it is nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = shortened(str(error))
        raise UsageError(f"the request's body is not a {kind.__name__}: {why}") from error


def _whole_number(query: Mapping[str, str], key: str) -> int | None:
    value = query.get(key)
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise UsageError(f"'{key}' must be a whole number, not {shown(value)}")
    return int(value)


def _json(value: object, status: int = 200) -> Response:
    return Response(status, msgspec.json.encode(value))
