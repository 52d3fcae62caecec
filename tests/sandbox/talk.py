"""Talking to node ports and to the API, as a client without any Kubernetes library does."""

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any

from kfw.sandbox.sandbox import Sandbox


@dataclass(frozen=True)
class Reply:
    code: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(
    sandbox: Sandbox, service: str, *, node: str = "sandbox-worker", tls: bool = False
) -> Streams:
    """To the node port of `demo/SERVICE`. Raises ConnectionRefusedError as a real one does."""
    address = sandbox.nodes[node]
    context = trusting_anybody() if tls else None
    return await asyncio.open_connection(address, sandbox.node_port("demo", service), ssl=context)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def get(sandbox: Sandbox, service: str, path: str = "/", *, tls: bool = False) -> Reply:
    """GET from the service's node port, on a connection of its own."""
    reader, writer = await connect(sandbox, service, tls=tls)
    reply = await ask(reader, writer, "GET", path, {"Connection": "close"})
    await close(writer)
    return reply


async def api(
    sandbox: Sandbox,
    path: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    certificate: bool = True,
) -> Reply:
    """One request to the API, as its administrator or with no certificate at all."""
    reader, writer = await connect_api(sandbox, certificate=certificate)
    reply = await ask(reader, writer, method, path, {"Connection": "close", **(headers or {})}, body)
    await close(writer)
    return reply


async def connect_api(sandbox: Sandbox, *, certificate: bool = True) -> Streams:
    context = ssl.create_default_context(cafile=str(sandbox.certificates.ca))
    if certificate:
        context.load_cert_chain(sandbox.certificates.client, sandbox.certificates.client.with_suffix(".key"))
    return await asyncio.open_connection("127.0.0.1", sandbox.port, ssl=context)


async def ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Reply:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    return await reply(reader)


async def reply(reader: asyncio.StreamReader) -> Reply:
    """The next response with a body of known length, or until the connection ends."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    code = int(head.split()[1])
    lengths = [line.split(":")[1] for line in head.splitlines() if line.startswith("content-length:")]
    body = await (reader.readexactly(int(lengths[0])) if lengths else reader.read())
    return Reply(code, body)


def trusting_anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
