"""kfw tap: the requests that go through a forward."""

import json
import signal
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from kfw import client
from kfw.client.control_http import ControlConnection, ended_meanwhile
from kfw.commands import _output as output
from kfw.commands._caller import caller_source
from kfw.commands._options import OneName, duration
from kfw.errors import DaemonNotRunning, KfwError, ToolMissing, UsageError, words_of
from kfw.protocol import ForwardStatus
from kfw.secret import redact
from kfw.view import paint, size

#: Bytes of each body that are kept for --bodies.
_KEPT_BODY = 1024 * 1024
_BAD, _GOOD, _DIM = "31", "32", "2"
_OPAQUE = ("TLS", "TCP")


def tap(
    name: OneName,
    har: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a HAR file, which browsers read.")
    ] = None,
    pcap: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a capture file, with --bodies: nothing is masked in it."),
    ] = None,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Include bodies in --har, --pcap and --json.")
    ] = False,
    time: Annotated[
        float | None,
        typer.Option("--duration", parser=duration, metavar="TIME", help="Stop after this time."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON value per request.")] = False,
) -> int:
    """Show each request that goes through a forward, until Ctrl+C.

    HTTP/1, HTTP/2 and gRPC: status, time, size, method and path. For TLS and other protocols, each connection.
    Connections that are already open are not shown. Logins in headers and queries are masked.

    \b
    kfw tap api
    kfw tap api --har api.har --bodies --duration 30s
    kfw tap api --json | jq 'select(.status >= 500)'
    """
    if pcap and not bodies:
        raise UsageError(
            "a capture file has all bytes, secrets too", "add --bodies, and keep the file to yourself"
        )
    _check_parsers()
    row = client.explain(name, caller_source()).forward
    interrupt = _Interrupt()
    events = client.tap(name, caller_source(), interrupt.hear, timeout=time)
    output.say(f"kfw: reading {row.shown} on port {row.local_port}; Ctrl+C ends it")
    shown = _Shown(as_json=as_json, bodies=bodies, keep=har is not None)
    with ExitStack() as stack:
        packets = _capture(pcap, row.local_port, stack) if pcap else None
        if har:
            stack.callback(_write_har, har, shown, row)
        try:
            shown.all(events, packets)
        except KfwError as error:
            if not interrupt.came:
                raise (
                    DaemonNotRunning("the daemon has ended") if ended_meanwhile(error) else error
                ) from error
    output.say(f"kfw: {shown.summary()}{''.join(f', written to {file}' for file in (har, pcap) if file)}")
    return 0


class _Interrupt:
    """Ctrl+C ends the reading and not the program: what has come by then is shown and written."""

    came = False

    def hear(self, connection: ControlConnection) -> None:
        def interrupt(number: int, frame: object) -> None:
            self.came = True
            connection.shut()

        signal.signal(signal.SIGINT, interrupt)


class _Shown:
    """What has been shown so far; kept only if it is to be written, as a tap may run for days."""

    def __init__(self, *, as_json: bool, bodies: bool, keep: bool) -> None:
        self._as_json = as_json
        self._keep = keep
        self.bodies = bodies
        self.exchanges: list[Any] = []
        self._count = self._failed = 0

    def all(self, events: Any, packets: Any) -> None:
        from kfw.tap.conversation import Conversation

        open_now: dict[int, Conversation] = {}
        for event in events:
            if packets:
                packets.hear(event)
            if event.kind == "opened":
                open_now[event.connection] = Conversation(event, _KEPT_BODY if self.bodies else 0)
                continue
            for exchange in open_now[event.connection].hear(event):
                self._show(exchange)
            if event.kind == "closed":
                del open_now[event.connection]

    def summary(self) -> str:
        requests = "request" if self._count == 1 else "requests"
        return f"{self._count} {requests}, {self._failed} of them failed"

    def _show(self, exchange: Any) -> None:
        if self._keep:
            self.exchanges.append(exchange)
        self._count += 1
        self._failed += exchange.failed
        if self._as_json:
            output.show(json.dumps(as_json(exchange, bodies=self.bodies)))
        else:
            output.show(line(exchange, colour=output.colours(sys.stdout)))


def line(one: Any, *, colour: bool) -> str:
    """`12:08:38.123  200    12 ms   1.2 kB  GET /api/users`"""
    moment = datetime.fromtimestamp(one.began).astimezone().strftime("%H:%M:%S.%f")[:-3]
    what = f"{one.method} {redact(one.path)}" if one.protocol not in _OPAQUE else f"from {one.client}"
    if one.protocol == "gRPC":
        what += f"  {one.request.messages} in, {one.response.messages} out"
    elif one.protocol in _OPAQUE:
        what += f", {size(one.request.size)} sent"
    words = [one.grpc_message, one.note]
    told = "".join(f"  {redact(word)}" for word in words if word)
    status = paint(_status(one).rjust(6), _BAD if one.failed else _GOOD, colour)
    return (
        f"{paint(moment, _DIM, colour)} {status} {_time(one.seconds):>8} {size(one.response.size):>8}  {what}"
        f"{paint(told, _DIM, colour)}"
    )


def as_json(one: Any, *, bodies: bool) -> dict[str, Any]:
    from kfw.system.clock import rfc3339
    from kfw.tap.exchange import masked

    sides = {}
    for key, message in (("request", one.request), ("response", one.response)):
        sides[key] = {"headers": masked(message.headers), "size": message.size}
        if one.protocol == "gRPC":
            sides[key]["messages"] = message.messages
        if bodies and message.body:
            sides[key]["body"] = bytes(message.body).decode(errors="replace")
    return {
        "time": rfc3339(one.began),
        "protocol": one.protocol,
        "method": one.method,
        "host": one.host,
        "path": redact(one.path),
        "status": one.status,
        "grpcStatus": one.grpc_status,
        "grpcMessage": redact(one.grpc_message),
        "seconds": round(one.seconds, 6),
        "firstByteSeconds": None if one.first_byte is None else round(one.first_byte - one.began, 6),
        **sides,
        "client": one.client,
        "connection": one.connection,
        "failed": one.failed,
        "note": redact(one.note),
    }


def _status(one: Any) -> str:
    if one.protocol == "gRPC" and one.grpc_status is not None:
        return f"gRPC {one.grpc_status}"
    return one.protocol if one.protocol in _OPAQUE else str(one.status or "-")


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _check_parsers() -> None:
    from importlib.util import find_spec

    for package in ("hpack", "hyperframe"):
        if find_spec(package) is None:
            from kfw.system.installation import how_to_get

            raise ToolMissing(
                f"kfw tap needs the package {package}, which is not installed", how_to_get("tap")
            )


def _capture(file: Path, port: int, stack: ExitStack) -> Any:
    """Raises KfwError."""
    from kfw.tap.pcap import PcapFile

    try:
        out = stack.enter_context(file.open("wb"))
        file.chmod(0o600)
        return PcapFile(out, port)
    except OSError as error:
        raise KfwError(f"cannot write {file}: {words_of(error)}") from error


def _write_har(file: Path, shown: _Shown, row: ForwardStatus) -> None:
    from kfw.system.files import write_atomic
    from kfw.tap.har import har

    made = har(shown.exchanges, f"localhost:{row.local_port}", bodies=shown.bodies)
    write_atomic(file, json.dumps(made, indent=1, ensure_ascii=False).encode())
