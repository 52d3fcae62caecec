"""Every question that a front end can ask the daemon: one function per request of kfw/protocol.py.

Importing this costs next to nothing: msgspec comes with the first typed answer. All raise KfwError:
DaemonNotRunning when nobody listens, else what the daemon refused, as the class that it was over there.
"""

from __future__ import annotations

from kfw.client import control_http

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, TypeVar

    from kfw.client.control_http import ControlConnection
    from kfw.errors import KfwError
    from kfw.perf_protocol import PerfReply, PerfRequest
    from kfw.protocol import (
        ClustersReply,
        ConnectionsReply,
        DaemonInfo,
        Event,
        Explanation,
        ForwardStatus,
        HandoverReply,
        LocalPort,
        LogReply,
        NamesReply,
        PortsReply,
        PortsRequest,
        Source,
        StartRequest,
        StatusReply,
        TapEvent,
        TargetsReply,
        TargetsRequest,
        UpReply,
        UpRequest,
        WebReply,
        WebRequest,
    )

    Answer = TypeVar("Answer")

#: Seconds for what ends children or reads files: a child gets five to go by itself.
SLOW = 60.0
#: Seconds for a new daemon to open all its ways: see kfw/daemon/handover.py.
HANDOVER = 90.0


def ping(*, timeout: float = control_http.TIMEOUT) -> DaemonInfo:
    from kfw.protocol import DaemonInfo

    return _decode(_ask("GET", "/v1/ping", timeout=timeout), DaemonInfo)


def status() -> StatusReply:
    from kfw.protocol import StatusReply

    return _decode(status_raw(), StatusReply)


def status_raw(*, timeout: float = control_http.TIMEOUT) -> bytes:
    """`status()` as the JSON that came, for who has no time to make classes of it."""
    return _ask("GET", "/v1/status", timeout=timeout)


def connections() -> ConnectionsReply:
    from kfw.protocol import ConnectionsReply

    return _decode(_ask("GET", "/v1/connections"), ConnectionsReply)


def explain(name: str, project: str = "") -> Explanation:
    """`project`: of the caller, whose names go before those of others."""
    from urllib.parse import quote

    from kfw.protocol import Explanation

    target = f"/v1/forwards/{quote(name, safe='')}/explain"
    target += f"?project={quote(project, safe='')}" if project else ""
    return _decode(_ask("GET", target), Explanation)


def up(request: UpRequest) -> UpReply:
    import msgspec

    from kfw.protocol import UpReply

    return _decode(_ask("POST", "/v1/up", msgspec.json.encode(request), timeout=SLOW), UpReply)


def reload(project: str = "", environ: Mapping[str, str] | None = None, context: str = "") -> UpReply:
    """`environ`: of the caller, for the forwards of `project`, the key of its source. `context`: only what is in it."""
    import msgspec

    from kfw.protocol import ReloadRequest, UpReply

    sent = None if environ is None else dict(environ)
    body = msgspec.json.encode(ReloadRequest(project=project, environ=sent, context=context))
    return _decode(_ask("POST", "/v1/reload", body, timeout=SLOW), UpReply)


def down(names: Sequence[str] = (), project: str = "", context: str = "") -> NamesReply:
    """Stop these; no names: all of the project, and without one all. `context`: only what is in it."""
    return _names("down", names, project, context)


def enable(names: Sequence[str], source: Source, environ: Mapping[str, str] | None = None) -> NamesReply:
    """Those that run now. `source`: the caller's files, where what is not up is looked up."""
    return _switch("enable", names, source, environ)


def disable(names: Sequence[str], source: Source) -> NamesReply:
    return _switch("disable", names, source, None)


def restart(
    names: Sequence[str] = (),
    project: str = "",
    environ: Mapping[str, str] | None = None,
    context: str = "",
) -> NamesReply:
    """`environ`: of the caller, for these names; without names see kfw/protocol.py."""
    return _again("restart", names, project, environ, context)


def retry(
    names: Sequence[str] = (),
    project: str = "",
    environ: Mapping[str, str] | None = None,
    context: str = "",
) -> NamesReply:
    return _again("retry", names, project, environ, context)


def remove(names: Sequence[str], project: str = "", context: str = "") -> NamesReply:
    return _names("remove", names, project, context)


def start(request: StartRequest) -> ForwardStatus:
    """One forward, when it is active. Raises what keeps it from that; then it is removed again."""
    from kfw.protocol import ForwardStatus

    return _posted("start", request, ForwardStatus, timeout=SLOW + request.wait)


def clusters(kubeconfig: str | None = None) -> ClustersReply:
    """`kubeconfig` as $KUBECONFIG."""
    from urllib.parse import quote

    from kfw.protocol import ClustersReply

    query = f"?kubeconfig={quote(kubeconfig, safe='')}" if kubeconfig else ""
    return _decode(_ask("GET", f"/v1/clusters{query}", timeout=SLOW), ClustersReply)


def targets(request: TargetsRequest) -> TargetsReply:
    from kfw.protocol import TargetsReply

    return _posted("targets", request, TargetsReply)


def target_ports(request: PortsRequest) -> PortsReply:
    from kfw.protocol import PortsReply

    return _posted("target-ports", request, PortsReply)


def local_port(port: int) -> LocalPort:
    from kfw.protocol import LocalPort

    return _decode(_ask("GET", f"/v1/local-ports/{port}"), LocalPort)


def logs(name: str = "", lines: int = 100) -> LogReply:
    """`name`: only lines about it."""
    from urllib.parse import quote

    from kfw.protocol import LogReply

    return _decode(_ask("GET", f"/v1/logs?lines={lines}&name={quote(name, safe='')}"), LogReply)


def perf(request: PerfRequest) -> PerfReply:
    """Takes as long as is measured."""
    from kfw.perf_protocol import PerfReply

    return _posted("perf", request, PerfReply, timeout=SLOW + request.seconds)


def open_web(request: WebRequest) -> WebReply:
    """Serve the page if it is not served yet; the URL logs one browser in."""
    from kfw.protocol import WebReply

    return _posted("web", request, WebReply)


def stop_web() -> None:
    _ask("POST", "/v1/web/stop")


def hand_over(python: str, folder: str, drain: float) -> HandoverReply:
    """A new daemon, of the kfw that this interpreter has, takes over. `drain` (s): see kfw/protocol.py."""
    import msgspec

    from kfw.protocol import HandoverReply, HandoverRequest

    body = msgspec.json.encode(HandoverRequest(python=python, folder=folder, drain=drain))
    return _decode(_ask("POST", "/v1/handover", body, timeout=HANDOVER), HandoverReply)


def stop() -> None:
    """Ask the daemon to end, and what it started; it does so after it answered."""
    _ask("POST", "/v1/stop", timeout=SLOW)


def events(*, since: int | None = None) -> list[Event]:
    """The events that the daemon still has, after number `since`."""
    from kfw.protocol import Event

    return _decode(_ask("GET", _events_target(since, follow=False)), list[Event])


def follow(
    *,
    since: int | None = None,
    timeout: float | None = None,
    traffic: float | None = None,
    on_open: Callable[[ControlConnection], object] | None = None,
) -> Iterator[Event]:
    """Events as they come, until the daemon ends or `timeout` is over (s). Subscribed when this returns.

    `traffic`: also what goes through, so often (s), in events of this type. `on_open` is given the connection then, whose
    `shut` ends the stream from another thread.
    """
    from kfw.protocol import Event

    query = "" if traffic is None else f"&traffic={traffic:g}"
    stream = _stream(_events_target(since, follow=True) + query, timeout, Event)
    connection = next(stream)
    if on_open:
        on_open(connection)
    return stream


def tap(
    name: str, project: str, on_open: Callable[[ControlConnection], object], *, timeout: float | None = None
) -> Iterator[TapEvent]:
    """What goes through a forward, of connections that come from now on, until `timeout` is over (s).

    `on_open`: see `follow`.
    """
    from urllib.parse import quote

    from kfw.protocol import TapEvent

    target = f"/v1/forwards/{quote(name, safe='')}/tap?project={quote(project, safe='')}"
    stream = _stream(target, timeout, TapEvent)
    on_open(next(stream))
    return stream


def _events_target(since: int | None, *, follow: bool) -> str:
    return f"/v1/events?follow={'true' if follow else 'false'}" + ("" if since is None else f"&since={since}")


def _stream(target: str, timeout: float | None, kind: type[Any]) -> Iterator[Any]:
    """First the connection, when the daemon has answered: nothing after that is missed. Then the events, of this kind."""
    with control_http.ControlConnection() as connection:
        connection.send("GET", target)
        code, headers = connection.head()
        if code >= 400:
            raise _refused(code, b"".join(connection.body(headers)))
        yield connection
        connection.wait(timeout)
        try:
            for data in control_http.server_sent(connection, headers):
                yield _decode(data, kind)
        except TimeoutError:
            return


def _again(
    verb: str, names: Sequence[str], project: str, environ: Mapping[str, str] | None, context: str
) -> NamesReply:
    import msgspec

    from kfw.protocol import AgainRequest, NamesReply

    sent = None if environ is None else dict(environ)
    request = AgainRequest(names=list(names), project=project, environ=sent, context=context)
    return _decode(_ask("POST", f"/v1/{verb}", msgspec.json.encode(request), timeout=SLOW), NamesReply)


def _switch(verb: str, names: Sequence[str], source: Source, environ: Mapping[str, str] | None) -> NamesReply:
    import msgspec

    from kfw.protocol import NamesReply, SwitchRequest

    request = SwitchRequest(
        names=list(names), source=source, environ=None if environ is None else dict(environ)
    )
    return _decode(_ask("POST", f"/v1/{verb}", msgspec.json.encode(request), timeout=SLOW), NamesReply)


def _names(verb: str, names: Sequence[str], project: str, context: str) -> NamesReply:
    import msgspec

    from kfw.protocol import NamesReply, NamesRequest

    body = msgspec.json.encode(NamesRequest(names=list(names), project=project, context=context))
    return _decode(_ask("POST", f"/v1/{verb}", body, timeout=SLOW), NamesReply)


def _posted(verb: str, request: Any, shape: type[Answer], *, timeout: float = SLOW) -> Answer:
    import msgspec

    return _decode(_ask("POST", f"/v1/{verb}", msgspec.json.encode(request), timeout=timeout), shape)


def _ask(method: str, target: str, body: bytes = b"", *, timeout: float = control_http.TIMEOUT) -> bytes:
    code, answer = control_http.request(method, target, body, timeout=timeout)
    if code >= 400:
        raise _refused(code, answer)
    return answer


def _decode(data: bytes, shape: type[Answer]) -> Answer:
    import msgspec

    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.DecodeError as error:
        raise _another_version(str(error)) from error


def _refused(code: int, body: bytes) -> KfwError:
    """The daemon's ErrorReply as the class of kfw/errors.py that it was over there."""
    import msgspec

    from kfw.errors import ALL_ERRORS, KfwError, NotPermitted
    from kfw.protocol import ErrorReply

    try:
        reply = msgspec.json.decode(body, type=ErrorReply)
    except msgspec.DecodeError as error:
        what = _what(body)
        return _another_version(f"HTTP {code}, {f'{what} ({error})' if what else error}")
    by_code = {kind.exit_code: kind for kind in reversed(ALL_ERRORS)}
    kind = by_code.get(reply.exit_code, KfwError)
    if reply.reason == NotPermitted.default_reason:  # it shares its exit code with LoginError
        kind = NotPermitted
    return kind(reply.what, reply.fix, reason=reply.reason)


def _what(body: bytes) -> str:
    """The sentence of a refusal that is none of this version's, for example with a reason that is unknown here."""
    import msgspec

    class Sentence(msgspec.Struct):
        what: str = ""

    try:
        return msgspec.json.decode(body, type=Sentence).what
    except msgspec.DecodeError:
        return ""


def _another_version(why: str) -> KfwError:
    from kfw.errors import KfwError

    fix = "it may be of another version: `kfw stop`, then `kfw start`"
    return KfwError(f"cannot understand the daemon's answer: {why}", fix)
