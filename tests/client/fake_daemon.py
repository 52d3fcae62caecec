"""A daemon that answers what it is told to, over a real unix socket; it keeps what it was asked."""

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_DAEMON = {
    "running": True,
    "pid": 4711,
    "version": "0.1.0",
    "uptimeSeconds": 7380.5,
    "rssBytes": 38_200_000,
    "socket": "/run/kfw.sock",
}


def row(name: str, status: str = "active", **more: Any) -> dict[str, Any]:
    """A forward as the daemon sends it."""
    serving = status in ("active", "degraded")
    return {
        "name": name,
        "project": "",  # as of a daemon that knows none
        "displayName": name,
        "profile": None,
        "status": status,
        "reason": None,
        "message": "",
        "context": "kind-dev",
        "namespace": "shop",
        "target": f"service/{name}",
        "targetPort": 80,
        "method": "nodeport",
        "localAddresses": ["127.0.0.1", "::1"],
        "localPort": 8080,
        "configuredPort": more.get("localPort", 8080),
        "localNames": [],
        "url": "http://localhost:8080" if serving else None,
        "endpoint": {"kind": "pod", "name": f"{name}-1", "address": "10.0.0.7", "port": 80}
        if serving
        else None,
        "pid": None,
        "restarts": 0,
        "since": "2026-11-21T07:00:00.000Z",
        "startedAt": "2026-11-21T06:59:58.000Z",
        "epoch": 1,
        "uptimeSeconds": 125.0 if serving else 0.0,
        "nextAttemptAt": None,
        "ui": None,
        "connections": 0,
        "totalConnections": 0,
        "lostConnections": 0,
        "bytesIn": 0,
        "bytesOut": 0,
    } | more


def event(seq: int, forward: dict[str, Any], kind: str = "status") -> dict[str, Any]:
    time = f"2026-11-21T08:00:{seq:02}.000Z"
    return {
        "seq": seq,
        "time": time,
        "type": kind,
        "name": forward["name"],
        "project": forward["project"],
        "displayName": forward["displayName"],
        "message": forward["message"],
        "forward": forward | {"since": time},
        "connection": None,
    }


def connection(forward: str, state: str = "open", **more: Any) -> dict[str, Any]:
    """A connection as the daemon sends it."""
    return {
        "forward": forward,
        "project": "",
        "displayName": forward,
        "client": "127.0.0.1:51744",
        "process": None,
        "endpoint": f"{forward}-1",
        "state": state,
        "why": "",
        "since": "2026-11-21T08:00:00.000Z",
        "seconds": 3.5,
        "firstByteSeconds": 0.0014,
        "bytesIn": 0,
        "bytesOut": 0,
    } | more


def answer(value: Any, code: int = 200) -> bytes:
    body = json.dumps(value).encode()
    head = (
        f"HTTP/1.1 {code} Whatever\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def refusal(
    what: str, *, fix: str = "", reason: str = "internal", exit_code: int = 1, code: int = 409
) -> bytes:
    return answer({"what": what, "fix": fix, "reason": reason, "exitCode": exit_code}, code)


def stream(*events: dict[str, Any]) -> bytes:
    """An event stream with an end, in chunks that do not care where an event ends."""
    text = b": connected\n\n" + b"".join(
        b"id: %d\ndata: %s\n\n" % (each["seq"], json.dumps(each).encode()) for each in events
    )
    pieces = [text[start : start + 100] for start in range(0, len(text), 100)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


#: Requests that may name forwards.
_NAMED = ("down", "restart", "retry", "remove", "enable", "disable")


class FakeDaemon:
    """`replies`: "GET /v1/status" -> the bytes to send. What is not in it gets a 404."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.info = dict(_DAEMON)
        self.forwards: list[dict[str, Any]] = []
        #: What `forwards` is from the first `up` on, if it is to change then.
        self.after_up: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.replies: dict[str, bytes] = {}
        self.asked: list[tuple[str, Any]] = []
        #: Who asked to retry, restart, reload, stop and remove: the environment and the project, which `asked` leaves out.
        self.callers: list[dict[str, Any]] = []
        #: Seconds that a followed event stream stays open after its last event.
        self.hold = 0.0
        self._listener = socket.socket(socket.AF_UNIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """As a daemon that ends: the socket is gone."""
        self.path.unlink(missing_ok=True)
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def requests(self) -> list[str]:
        return [line for line, _ in self.asked]

    def body_of(self, line: str) -> Any:
        return next(body for asked, body in self.asked if asked == line)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            line, body = _read_request(connection)
            line = line.partition("?project=")[0]
            if line.removeprefix("POST /v1/") in ("retry", "restart", "reload", "down", "remove"):
                self.callers.append({key: body.pop(key, None) for key in ("environ", "project")})
            if line.startswith("POST /v1/") and isinstance(body, dict) and line[9:] in _NAMED:
                body.setdefault("names", [])  # what has no names is sent without
            self.asked.append((line, body))
            connection.sendall(self._reply(line))
            if "follow=true" in line:
                connection.settimeout(self.hold or 0.001)
                connection.recv(1)
        except OSError:
            return
        finally:
            connection.close()

    def _reply(self, line: str) -> bytes:
        if line == "POST /v1/up" and self.after_up:
            self.forwards = self.after_up
        if line in self.replies:
            return self.replies[line]
        verb = line.removeprefix("POST /v1/")
        if line == "GET /v1/ping":
            return answer(self.info)
        if line == "GET /v1/status":
            return answer({"daemon": self.info, "forwards": self.forwards})
        if line.startswith("GET /v1/events?follow=true"):
            return stream(*self.events)
        if line.startswith("GET /v1/events"):
            return answer(self.events)
        if verb in ("up", "reload"):
            names = [forward["name"] for forward in self.forwards]
            return answer({"started": names, "restarted": [], "stopped": [], "unchanged": []})
        if verb in _NAMED:
            return answer(
                {"names": self.asked[-1][1]["names"] or [forward["name"] for forward in self.forwards]}
            )
        return answer({}) if verb == "stop" else refusal(f"there is no {line}", exit_code=2, code=404)


def _read_request(connection: socket.socket) -> tuple[str, Any]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += _some(connection)
    method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
    return f"{method} {target}", json.loads(body) if body else None


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the client left")
    return data


@contextmanager
def home() -> Iterator[Path]:
    """A KFW_HOME whose name is short: a unix socket's path may have 103 bytes."""
    before = os.environ.get("KFW_HOME")
    folder = Path(tempfile.mkdtemp(prefix="kfw-"))
    os.environ["KFW_HOME"] = str(folder)
    try:
        yield folder
    finally:
        os.environ.pop("KFW_HOME")
        if before is not None:
            os.environ["KFW_HOME"] = before
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_daemon() -> Iterator[FakeDaemon]:
    with home() as folder:
        daemon = FakeDaemon(folder / "run" / "kfw.sock")
        try:
            yield daemon
        finally:
            daemon.close()
