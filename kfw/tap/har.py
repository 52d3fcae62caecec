"""Exchanges as a HAR file, version 1.2: what the network panel of a browser reads and writes.

Source: the W3C's draft "HTTP Archive (HAR) format". Fields of our own begin with an underscore, as it asks for.
"""

import base64
import zlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kfw import __version__
from kfw.secret import redact
from kfw.system.clock import rfc3339
from kfw.tap.exchange import Exchange, ExchangeSide, Headers, masked

#: Bytes that a compressed body may have when it is not.
_LONGEST_TEXT = 16 * 1024 * 1024
_UNKNOWN = -1


def har(exchanges: Iterable[Exchange], local: str, *, bodies: bool) -> dict[str, Any]:
    """`local`: host:port of the forward, for requests that name no host."""
    entries = [_entry(one, local, bodies=bodies) for one in exchanges if one.protocol not in ("TLS", "TCP")]
    creator = {"name": "kfw", "version": __version__}
    return {"log": {"version": "1.2", "creator": creator, "entries": entries}}


def _entry(one: Exchange, local: str, *, bodies: bool) -> dict[str, Any]:
    ended = one.ended or one.began
    first = one.first_byte or ended
    wait, receive = _milliseconds(first - one.began), _milliseconds(ended - first)
    entry: dict[str, Any] = {
        "startedDateTime": rfc3339(one.began),
        "time": wait + receive,
        "request": _request(one, local, bodies=bodies),
        "response": _response(one, bodies=bodies),
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": receive},
        "connection": str(one.connection),
        "_client": one.client,
    }
    if one.grpc_status is not None:
        entry["_grpcStatus"] = one.grpc_status
    if one.note:
        entry["comment"] = one.note
    return entry


def _request(one: Exchange, local: str, *, bodies: bool) -> dict[str, Any]:
    url = redact(one.path if "://" in one.path else f"http://{one.host or local}{one.path}")
    request: dict[str, Any] = {
        "method": one.method,
        "url": url,
        "httpVersion": _version(one),
        "cookies": [],
        "headers": _headers(one.request.headers),
        "queryString": [{"name": name, "value": value} for name, value in _query(url)],
        "headersSize": _UNKNOWN,
        "bodySize": one.request.size,
    }
    if bodies and one.request.body:
        text, encoding = _text(one.request)
        request["postData"] = {"mimeType": one.request.header("content-type"), "text": text} | encoding
    return request


def _query(url: str) -> list[tuple[str, str]]:
    """None of what is no URL, which a client may well ask for."""
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []


def _response(one: Exchange, *, bodies: bool) -> dict[str, Any]:
    content: dict[str, Any] = {
        "size": one.response.size,
        "mimeType": one.response.header("content-type") or "x-unknown",
    }
    if bodies and one.response.body:
        text, encoding = _text(one.response)
        content |= {"text": text} | encoding
    return {
        "status": one.status or 0,
        "statusText": "",
        "httpVersion": _version(one),
        "cookies": [],
        "headers": _headers(one.response.headers),
        "content": content,
        "redirectURL": one.response.header("location"),
        "headersSize": _UNKNOWN,
        "bodySize": one.response.size,
    }


def _version(one: Exchange) -> str:
    return "HTTP/2" if one.protocol == "gRPC" else one.protocol


def _headers(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in masked(headers)]


def _text(message: ExchangeSide) -> tuple[str, dict[str, str]]:
    """As text where it is some, else in base64."""
    body = bytes(message.body)
    if message.header("content-encoding") in ("gzip", "deflate"):
        body = _unpacked(body)
    try:
        return body.decode(), {}
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), {"encoding": "base64"}


def _unpacked(body: bytes) -> bytes:
    """Also the beginning of one that was cut off; what cannot be unpacked stays as it is."""
    try:
        return zlib.decompressobj(wbits=47).decompress(
            body, _LONGEST_TEXT
        )  # 32 + 15: gzip or zlib, by its head
    except zlib.error:
        return body


def _milliseconds(seconds: float) -> float:
    return round(max(seconds, 0.0) * 1000, 3)
