"""The Model Context Protocol over stdin and stdout: one JSON-RPC message per line, and a process of kfw for each call.

Versions: those that begin with `initialize` (2024-11-05 to 2025-11-25), and 2026-07-28, in which each request says its
own and `server/discover` takes the place of the handshake. https://modelcontextprotocol.io/specification
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, BinaryIO

from kfw import __version__
from kfw.mcp.command_tools import TOOLS, BadArguments, Tool, answer, command_line, failure, offered

WITH_HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
VERSIONS = (*WITH_HANDSHAKE, "2026-07-28")
_META = "io.modelcontextprotocol/"
_PARSE, _REQUEST, _METHOD, _PARAMS, _VERSION = -32700, -32600, -32601, -32602, -32022

#: Bytes of one message, seconds of one call, and calls at once.
_LONGEST = 1024 * 1024
_LIMIT = 600.0
_AT_ONCE = 8

INSTRUCTIONS = (
    "kfw keeps ports of Kubernetes clusters on localhost. `status` shows what is forwarded where and why something is not "
    "active; `targets` what could be. An error names its cause and what fixes it."
)
LOOKS_ONLY = "This server is read-only: `kfw mcp --allow-changes` also offers up, add and down."


class RpcError(Exception):
    """A request that is answered with an error of JSON-RPC."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class McpServer:
    """`serve` returns when the client has ended its side; then no process of a call is left."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, *, allow_changes: bool) -> None:
        self._source = source
        self._sink = sink
        self._tools = {tool.name: tool for tool in offered(allow_changes)}
        self._instructions = INSTRUCTIONS if allow_changes else f"{INSTRUCTIONS} {LOOKS_ONLY}"
        self._lock = threading.Lock()
        self._processes: dict[Any, subprocess.Popen[str]] = {}
        self._cancelled = set[Any]()
        self._ended = False

    def serve(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                while line := self._source.readline(_LONGEST + 1):
                    if len(line) > _LONGEST:
                        self._send(
                            None, error=RpcError(_REQUEST, f"a message has {_LONGEST} bytes at most").error
                        )
                        return
                    self._hear(line, pool)
            finally:
                with self._lock:
                    self._ended = True
                    for process in self._processes.values():
                        _end(process)

    def _hear(self, line: bytes, pool: ThreadPoolExecutor) -> None:
        request: Any = None
        try:
            request = _parsed(line)
            _check_version(request)
            if "id" not in request:
                self._note(request)
            elif request["method"] == "tools/call":
                tool, arguments = self._called(request)
                pool.submit(self._call, request, tool, arguments)
            else:
                self._send(request["id"], result=_of_version(request, self._result(request)))
        except RpcError as refused:
            self._send(request.get("id") if isinstance(request, dict) else None, error=refused.error)

    def _result(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Of what needs no process. Raises RpcError."""
        known: dict[str, Any] = {"capabilities": {"tools": {}}, "instructions": self._instructions}
        about = {"name": "kfw", "title": "kfw", "version": __version__}
        match request["method"]:
            case "initialize":
                wanted = _params(request).get("protocolVersion")
                version = wanted if wanted in WITH_HANDSHAKE else WITH_HANDSHAKE[-1]
                return {"protocolVersion": version, "serverInfo": about, **known}
            case "server/discover":
                return {
                    "supportedVersions": list(VERSIONS),
                    "_meta": {f"{_META}serverInfo": about},
                    **known,
                    **_UNCACHED,
                }
            case "tools/list":
                tools = [tool.described() for tool in self._tools.values()]
                return {"tools": tools, **(_UNCACHED if _version_of(request) else {})}
            case "ping":
                return {}
        raise RpcError(_METHOD, f"unknown method {request['method']!r}")

    def _called(self, request: Mapping[str, Any]) -> tuple[Tool | None, Any]:
        """None: it is not offered. Raises RpcError."""
        params = _params(request)
        name = params.get("name")
        if not isinstance(name, str) or name not in TOOLS:
            raise RpcError(_PARAMS, f"unknown tool {name!r}, known are {', '.join(self._tools)}")
        return self._tools.get(name), params.get("arguments") or {}

    def _call(self, request: Mapping[str, Any], tool: Tool | None, arguments: Any) -> None:
        """In a thread of its own: a call may wait for a cluster."""
        try:
            result = (
                self._run(request["id"], tool, command_line(tool, arguments)) if tool else failure(LOOKS_ONLY)
            )
        except BadArguments as wrong:
            result = failure(str(wrong))
        except OSError as error:
            result = failure(f"cannot run kfw: {error.strerror or error}")
        with self._lock:
            is_cancelled = request["id"] in self._cancelled
            self._cancelled.discard(request["id"])
        if not is_cancelled:
            self._send(request["id"], result=_of_version(request, result))

    def _run(self, call: Any, tool: Tool, words: list[str]) -> dict[str, Any]:
        with self._lock:
            if self._ended:
                return failure("the client has gone")
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "kfw", *words], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe,
                encoding="utf-8", errors="replace", start_new_session=True,
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            )  # fmt: skip
            self._processes[call] = process
        try:
            out, err = process.communicate(timeout=_LIMIT)
        except subprocess.TimeoutExpired:
            return failure(f"it took longer than {_LIMIT:g} s")
        finally:
            with self._lock:
                self._processes.pop(call, None)
            _end(process)
        return answer(tool, process.returncode, out, err)

    def _note(self, notification: Mapping[str, Any]) -> None:
        if notification["method"] != "notifications/cancelled":
            return
        with self._lock:
            if process := self._processes.get(call := _params(notification).get("requestId")):
                self._cancelled.add(call)
                _end(process)

    def _send(self, call: Any, **what: Any) -> None:
        line = json.dumps({"jsonrpc": "2.0", "id": call, **what}, ensure_ascii=False).encode(
            "utf-8", "replace"
        )
        with self._lock, suppress(BrokenPipeError):
            self._sink.write(line + b"\n")
            self._sink.flush()


#: What 2026-07-28 wants in lists: whether and for whom they may be kept.
_UNCACHED = {"ttlMs": 0, "cacheScope": "private"}


def _parsed(line: bytes) -> dict[str, Any]:
    """Raises RpcError."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RpcError(_PARSE, "this is not JSON") from error
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise RpcError(_REQUEST, "this is not a request")
    if not isinstance(request.get("id"), str | int | None):
        raise RpcError(_REQUEST, "an id is a string or a number")
    return request


def _check_version(request: Mapping[str, Any]) -> None:
    """Raises RpcError."""
    if (version := _version_of(request)) and version not in VERSIONS:
        what = f"version {version} of the protocol is not known here"
        raise RpcError(_VERSION, what, {"supported": list(VERSIONS), "requested": version})


def _params(request: Mapping[str, Any]) -> Mapping[str, Any]:
    params = request.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(_PARAMS, "params are an object")
    return params


def _version_of(request: Mapping[str, Any]) -> str | None:
    """Of a request that says its own, as from 2026-07-28 on."""
    params = request.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    said = meta.get(f"{_META}protocolVersion") if isinstance(meta, dict) else None
    return said if isinstance(said, str) else None


def _of_version(request: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return {"resultType": "complete", **result} if _version_of(request) else result


def _end(process: "subprocess.Popen[str]") -> None:
    """As Ctrl+C; the daemon, and what it runs, is none of it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
