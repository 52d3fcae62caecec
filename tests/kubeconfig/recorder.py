"""One test server that answers everything with its version and remembers how it was asked: in plain HTTP, with TLS,
with TLS that asks for a client certificate, and through proxies (HTTP, HTTPS, SOCKS5) that lead here whatever they are
asked for, so that any host name can be tried."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.kube import certificates
from tests.stream_server import Handler, streams

#: The names that the server's certificate has.
HOSTS = ("127.0.0.1", "::1", "localhost", "api.example.com", "kubernetes", "xn--bcher-kva.example")
#: What `kubectl version` wants to hear.
_BODY = b'{"major":"1","minor":"32","gitVersion":"v1.32.4","platform":"linux/amd64"}'
#: What is compared of a request's headers.
_TOLD = ("authorization", "impersonate-")


@dataclass(frozen=True)
class Seen:
    """One request. `via` is the proxy and what it was asked for; `sni` and `client` are of TLS."""

    target: str
    host: str
    headers: tuple[tuple[str, str], ...] = ()
    tls: bool = False
    sni: str | None = None
    client: str | None = None
    via: str | None = None


@dataclass
class Recorder:
    """`ports` by kind: http, https, mtls, and the proxies' http-proxy, https-proxy, socks."""

    seen: list[Seen] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    via: dict[int, str] = field(default_factory=dict)  # by the port from which a proxy came here

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.LimitOverrunError):
            while True:
                await self.answer(await reader.readuntil(b"\r\n\r\n"), writer)
        writer.close()

    async def answer(self, head: bytes, writer: asyncio.StreamWriter, via: str | None = None) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines if x)]
        secure = writer.get_extra_info("ssl_object") if via is None else None
        peer = writer.get_extra_info("peername")
        self.seen.append(
            Seen(
                target=first.split(" ")[1],
                host=dict(headers).get("host", ""),
                headers=tuple(sorted(h for h in headers if h[0].startswith(_TOLD))),
                tls=secure is not None,
                sni=getattr(secure, "asked_for", None),
                client=_client(secure),
                via=via or self.via.get(peer[1]),
            )
        )
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY))
        await writer.drain()

    async def lead_here(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: str, port: int
    ) -> None:
        """TLS begins with a byte of its own (RFC 8446 section 5.1)."""
        first = await reader.readexactly(1)
        kind = "https" if first == b"\x16" else "http"
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.ports[kind])
        self.via[far_writer.get_extra_info("sockname")[1]] = f"{asked}:{port}"
        far_writer.write(first)
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            far_writer.close()
            writer.close()

    async def http_proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """CONNECT, and requests with a whole URL."""
        with suppress(OSError, EOFError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            secure = writer.get_extra_info("ssl_object")
            kind = f"https proxy {getattr(secure, 'asked_for', None)}" if secure else "http proxy"
            login = _header(head, "Proxy-Authorization")
            method, url = head.decode("latin-1").split(" ")[:2]
            if method != "CONNECT":
                await self.answer(head, writer, f"{kind} {login} as a whole URL")
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            host, _, port = url.rpartition(":")
            await self.lead_here(reader, writer, f"{kind} {login} to {host}", int(port))
        writer.close()

    async def socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            _, count = await reader.readexactly(2)
            wants_login = 2 in await reader.readexactly(count)
            login = ""
            writer.write(b"\x05\x02" if wants_login else b"\x05\x00")
            if wants_login:
                name = await reader.readexactly((await reader.readexactly(2))[1])
                word = await reader.readexactly((await reader.readexactly(1))[0])
                login = f"{name.decode()}:{word.decode()}"
                writer.write(b"\x01\x00")
            kind = (await reader.readexactly(4))[3]
            length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
            raw = await reader.readexactly(length)
            host = raw.decode() if kind == 3 else ".".join(map(str, raw))
            port = int.from_bytes(await reader.readexactly(2), "big")
            writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            await self.lead_here(reader, writer, f"socks5 {login} to {host}", port)
        writer.close()


def _client(secure: ssl.SSLObject | None) -> str | None:
    found = secure.getpeercert() if secure else None
    return dict(part[0] for part in found["subject"])["commonName"] if found else None  # type: ignore[misc]


def _header(head: bytes, name: str) -> str:
    lines = head.decode("latin-1").split("\r\n")
    return next((x.partition(":")[2].strip() for x in lines if x.lower().startswith(name.lower() + ":")), "")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@cache
def server_tls(asks: bool) -> ssl.SSLContext:
    pair = certificates.pair("server", *HOSTS)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("crt", pair.certificate), ("key", pair.key), ("ca", certificates.ca())):
            (Path(folder) / name).write_bytes(content)
        made.load_cert_chain(Path(folder) / "crt", Path(folder) / "key")
        if asks:
            made.load_verify_locations(Path(folder) / "ca")
            made.verify_mode = ssl.CERT_OPTIONAL
    made.sni_callback = lambda secure, name, _: setattr(secure, "asked_for", name)
    return made


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    kinds: dict[str, tuple[Handler, ssl.SSLContext | None]] = {
        "http": (recorder.serve, None),
        "https": (recorder.serve, server_tls(False)),
        "mtls": (recorder.serve, server_tls(True)),
        "http-proxy": (recorder.http_proxy, None),
        "https-proxy": (recorder.http_proxy, server_tls(False)),
        "socks": (recorder.socks, None),
    }
    async with AsyncExitStack() as stack:
        for kind, (handler, tls) in kinds.items():
            server = await stack.enter_async_context(streams(handler, tls=tls))
            recorder.ports[kind] = server.port
            with suppress(OSError):  # without IPv6, or somebody else has that port there
                await stack.enter_async_context(streams(handler, "::1", server.port, tls))
        yield recorder
