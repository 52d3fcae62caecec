"""An API server behind a path, as Rancher and other gateways have it: a TLS proxy that knows only one prefix."""

import asyncio
import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.kube import certificates
from tests.loop_thread import loop_thread
from tests.stream_server import StreamServer

PREFIX = "/k8s/clusters/c-1"
_REFUSAL = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def behind_prefix(kubeconfig: Path, folder: Path) -> Iterator[Path]:
    """A kubeconfig like this one (of a user with a token), whose server is reached under PREFIX only."""
    config: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    gateway = _Gateway(urlsplit(cluster["server"]).netloc)
    with loop_thread("prefix") as beside:
        port = beside.run(gateway.start(_server_side(folder)))
        cluster["server"] = f"https://127.0.0.1:{port}{PREFIX}"
        cluster["certificate-authority-data"] = base64.b64encode(certificates.ca()).decode()
        file = folder / "kubeconfig-behind-prefix"
        file.write_text(yaml.safe_dump(config))
        try:
            yield file
        finally:
            beside.run(gateway.end())


def _server_side(folder: Path) -> ssl.SSLContext:
    pair = certificates.pair("gateway", "127.0.0.1")
    both = folder / "gateway.pem"
    both.write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


class _Gateway:
    def __init__(self, upstream: str) -> None:
        self._host, _, port = upstream.rpartition(":")
        self._port = int(port)
        self._server = StreamServer(self._serve)

    async def start(self, tls: ssl.SSLContext) -> int:
        await self._server.start(tls=tls)
        return self._server.port

    async def end(self) -> None:
        await self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._join(reader, writer)
        finally:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readuntil(b"\r\n")
        if b" %s/" % PREFIX.encode() not in first:
            writer.write(_REFUSAL)
            await writer.drain()
            return
        untrusted = ssl._create_unverified_context()
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port, ssl=untrusted)
        try:
            far_writer.write(_without_prefix(first))
            await asyncio.gather(_copy(reader, far_writer, strip=True), _copy(far_reader, writer))
        finally:
            far_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, strip: bool = False) -> None:
    """`strip`: later requests of the same connection have the prefix, too."""
    while data := await reader.read(65536):
        writer.write(_without_prefix(data) if strip else data)
        await writer.drain()
    writer.transport.abort()


def _without_prefix(data: bytes) -> bytes:
    return data.replace(b" %s/" % PREFIX.encode(), b" /")
