"""What one page for gRPC answers: its files, what the server offers, and calls, whose answers come line by line.

Each line of a call's answer is an object of JSON: {"headers"} once, {"message"} for each message, and at last {"status"}.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import msgspec
from google.protobuf import json_format

from kfw.errors import KfwError, UsageError
from kfw.extras.grpc_ui import reflection
from kfw.extras.grpc_ui.message_template import template
from kfw.extras.grpc_ui.page_orders import PageOrder
from kfw.http.bounds import HttpLimits
from kfw.http.messages import Request, Response
from kfw.http.pages import HEADERS, error_answer, file_answer, is_json, json_answer, refusal, static_files
from kfw.wire.grpc_reflection import Definitions

STATIC = Path(__file__).parent / "static"
#: A person and a few tabs. A message is JSON, which is larger than what is sent.
LIMITS = HttpLimits(
    connections=64, body=16 * 1024 * 1024, bodies=48 * 1024 * 1024, idle=120.0, arrive=60.0, write=60.0
)
#: Bytes of a message that is taken from a server.
LARGEST = 32 * 1024 * 1024
#: Messages and headers of one call.
MOST_MESSAGES, MOST_HEADERS = 1000, 200
#: Seconds of the longest call that a page may ask for.
LONGEST = 86400.0
#: One connection of its own, soon again after it was lost, no proxy of the environment, no second try of what may have
#: been done.
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.max_receive_message_length", LARGEST),
)


class CallRequest(msgspec.Struct, frozen=True):
    """`method`: `shop.Cart/Add`; `messages`: in JSON, one unless the client streams; `timeout` in seconds, 0 is none."""

    method: str
    messages: list[Any]
    metadata: list[tuple[str, str]] = []
    timeout: float = 0.0


class GrpcSite:
    def __init__(self, order: PageOrder) -> None:
        self._order = order
        self._files = static_files(STATIC)
        self._channel: Any = None
        self._known: Definitions | None = None

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel:
            await channel.close()

    async def answer(self, request: Request) -> Response:
        response = refusal(request, self._order.port) or await self._answer(request)
        return replace(response, headers={"cache-control": "no-store", **HEADERS, **response.headers})

    async def _answer(self, request: Request) -> Response:
        if file := self._files.get(request.path):
            return file_answer(file, request)
        try:
            if request.path == "/api/services" and request.method == "GET":
                return json_answer(self._offer(await self._definitions(again=True)))
            if request.path == "/api/call" and request.method == "POST" and is_json(request):
                return await self._call(_asked(request))
        except UsageError as error:
            return error_answer(400, error.what, error.fix)
        except KfwError as error:
            return error_answer(502, error.what, error.fix)
        return error_answer(404, "no such page", "open /")

    def _connected(self) -> Any:
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._order.target, options=_OPTIONS)
        return self._channel

    async def _definitions(self, *, again: bool = False) -> Definitions:
        """`again`: the server may be another version than when it was asked last."""
        if self._known is None or again:
            if self._order.proto_files:
                self._known = await asyncio.to_thread(reflection.read, self._order.proto_files)
            else:
                self._known = await self._ask()
        return self._known

    async def _ask(self) -> Definitions:
        """Raises KfwError, and the next one connects again: who asks again has perhaps started the server."""
        try:
            return await reflection.ask(self._connected())
        except KfwError:
            await self.close()
            raise

    def _offer(self, known: Definitions) -> dict[str, Any]:
        services = [
            {"name": name, "methods": [_told(path, one) for path, one in _methods_of(known, name)]}
            for name in known.services
        ]
        return {"name": self._order.name, "target": self._order.target, "services": services}

    async def _call(self, asked: CallRequest) -> Response:
        known = await self._definitions()
        method = known.methods.get(asked.method)
        if method is None:
            raise UsageError(f"the server has no method {asked.method}", "load the page again")
        if not method.client_streaming and len(asked.messages) != 1:
            raise UsageError(f"{method.name} takes one message")
        sent = [_message(known, method.input_type, one) for one in asked.messages]
        path, channel = f"/{asked.method}", self._connected()
        # One answer is a stream of one on the wire. One request is sent whole, so that a refusal cannot meet a write.
        start, given = (
            (channel.stream_stream(path), _each(sent))
            if method.client_streaming
            else (channel.unary_stream(path), sent[0])
        )
        call = start(given, metadata=_metadata(asked.metadata), timeout=asked.timeout or None)
        return Response(200, _answers(known, method, call), "application/x-ndjson")


async def _each(messages: Iterable[bytes]) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


async def _answers(known: Definitions, method: Any, call: Any) -> AsyncGenerator[bytes, None]:
    try:
        with suppress(grpc.RpcError):  # it is the status
            yield _line(headers=_pairs(await call.initial_metadata()))
            async for data in call:
                yield _line(message=_in_json(known, method.output_type, data))
        code = await call.code()
        yield _line(
            status=code.name,
            code=code.value[0],
            details=await call.details() or "",
            trailers=_pairs(await call.trailing_metadata()),
        )
    finally:
        call.cancel()


def _asked(request: Request) -> CallRequest:
    try:
        asked = msgspec.json.decode(request.body, type=CallRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the request is not a call: {error}") from error
    if len(asked.messages) > MOST_MESSAGES or len(asked.metadata) > MOST_HEADERS:
        raise UsageError(f"a call has at most {MOST_MESSAGES} messages and {MOST_HEADERS} headers")
    if not 0 <= asked.timeout <= LONGEST:
        raise UsageError(f"the time for a call is from 0 to {LONGEST:g} seconds")
    return asked


def _methods_of(known: Definitions, service: str) -> Iterable[tuple[str, Any]]:
    return [(path, one) for path, one in known.methods.items() if path.rpartition("/")[0] == service]


def _told(path: str, method: Any) -> dict[str, Any]:
    return {
        "path": path,
        "name": method.name,
        "input": method.input_type.full_name,
        "output": method.output_type.full_name,
        "clientStreaming": method.client_streaming,
        "serverStreaming": method.server_streaming,
        "template": template(method.input_type),
    }


def _message(known: Definitions, descriptor: Any, value: Any) -> bytes:
    message = known.message(descriptor)
    try:
        json_format.ParseDict(value, message, descriptor_pool=known.pool, max_recursion_depth=100)
    except (json_format.ParseError, TypeError, ValueError, RecursionError, AttributeError) as error:
        raise UsageError(f"this is not a {descriptor.full_name}: {error}") from error
    return bytes(message.SerializeToString())


def _in_json(known: Definitions, descriptor: Any, data: bytes) -> Any:
    """What cannot be said in JSON, such as an Any of an unknown type, is shown as its bytes."""
    message = known.message(descriptor)
    try:
        message.ParseFromString(data)
        return json_format.MessageToDict(
            message, descriptor_pool=known.pool, always_print_fields_with_no_presence=True
        )
    except Exception as error:  # noqa: BLE001  protobuf has one of its own for each implementation
        return {"undecodable": str(error), "base64": base64.b64encode(data).decode()}


def _metadata(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str | bytes], ...]:
    """Raises UsageError. Of keys that end in -bin the value is base64 (gRPC's PROTOCOL-HTTP2)."""
    found: list[tuple[str, str | bytes]] = []
    for key, value in pairs:
        name = key.strip().lower()
        if not name or not all(sign.isascii() and (sign.isalnum() or sign in "-_.") for sign in name):
            raise UsageError(f"'{key}' is not the name of a header")
        if name.startswith("grpc-"):
            raise UsageError(f"'{name}' is gRPC's own")
        if name.endswith("-bin"):
            try:
                found.append((name, base64.b64decode(value, validate=True)))
            except binascii.Error as error:
                raise UsageError(f"the value of {name} is not base64") from error
        elif value.isascii() and value.isprintable():
            found.append((name, value))
        else:
            raise UsageError(f"the value of {name} has characters that a header cannot have")
    return tuple(found)


def _pairs(metadata: Any) -> list[tuple[str, str]]:
    return [
        (key, base64.b64encode(value).decode() if isinstance(value, bytes) else value)
        for key, value in metadata or ()
    ]


def _line(**said: Any) -> bytes:
    return json.dumps(said, ensure_ascii=False, allow_nan=False).encode() + b"\n"
