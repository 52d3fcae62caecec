"""A connection to an API server: directly or through a proxy, with TLS, and with a kernel that notices dead peers."""

import asyncio
import base64
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from kfw.kubeconfig.urls import Proxy
from kfw.secret import reveal
from kfw.system.keepalive import OF_API_SERVERS, keep_alive
from kfw.system.open_files import OPEN_FILES, Use
from kfw.system.tls_streams import Streams, start_tls
from kfw.system.trust import system_trust

#: Seconds until a name's next address is tried beside the first (RFC 8305).
_STAGGER = 0.25


@dataclass(frozen=True)
class ServerAddress:
    """Where to: `tls` None is plain HTTP. `name` is the host name that the certificate must have."""

    host: str
    port: int
    name: str = ""
    proxy: Proxy | None = None


async def dial(address: ServerAddress, tls: ssl.SSLContext | None) -> Streams:
    """Raises OSError, also where this machine has no room for it, ssl.SSLError or EOFError. No time limit: that is the
    caller's."""
    OPEN_FILES.claim(Use.UPKEEP)
    name = _name_to_check(address) if tls else None
    if address.proxy is None:
        reader, writer = await asyncio.open_connection(
            address.host, address.port, ssl=tls, server_hostname=name, **_stagger(address.host)
        )
        keep_alive(writer.get_extra_info("socket"), OF_API_SERVERS)
        return reader, writer
    reader, writer = await _dial_proxy(address.proxy, tls)
    try:
        await _through(address.proxy, address, reader, writer)
        if tls is not None:
            return await start_tls(writer, tls, name)
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer


def _name_to_check(address: ServerAddress) -> str:
    """Without the dot of an absolute name, and without a zone, which certificates do not have."""
    name = (address.name or address.host).partition("%")[0].rstrip(".")
    if not name:
        raise OSError("it has no name to check its certificate for")  # for asyncio "" is any
    return name


async def _dial_proxy(proxy: Proxy, tls: ssl.SSLContext | None) -> Streams:
    """An https proxy is trusted by the cluster's CA, as Go does: by the system's if the cluster has none, or no TLS."""
    if proxy.scheme != "https":
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    else:
        trust = tls or system_trust()
        reader, writer = await asyncio.open_connection(
            proxy.host, proxy.port, ssl=trust, server_hostname=proxy.host.rstrip(".")
        )
    keep_alive(writer.get_extra_info("socket"), OF_API_SERVERS)
    return reader, writer


def _stagger(host: str) -> dict[str, Any]:
    """For a name only: asyncio's race leaves a socket to the garbage collector when it is cancelled. uvloop has none."""
    try:
        ip_address(host)
    except ValueError:
        has_race = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
        return {"happy_eyeballs_delay": _STAGGER} if has_race else {}
    return {}


async def _through(
    proxy: Proxy, address: ServerAddress, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        if proxy.scheme == "socks5":
            await _socks5(proxy, address, reader, writer)
        else:
            await _connect(proxy, address, reader, writer)
    except (EOFError, asyncio.LimitOverrunError) as error:
        raise OSError(f"the proxy {proxy} closed the connection or speaks another protocol") from error


async def _connect(
    proxy: Proxy, address: ServerAddress, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """RFC 9110 section 9.3.6."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [f"CONNECT {host}:{address.port} HTTP/1.1", f"Host: {host}:{address.port}"]
    if proxy.username:
        pair = base64.b64encode(f"{proxy.username}:{reveal(proxy.password)}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {pair}")
    writer.write("\r\n".join((*lines, "", "")).encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    status = answer.partition(b"\r\n")[0].decode("latin-1")
    if status.split(" ")[1:2] != ["200"]:
        raise OSError(f"the proxy {proxy} answers {status}")


async def _socks5(
    proxy: Proxy, address: ServerAddress, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """RFC 1928 and, for the password, RFC 1929. The proxy looks the name up."""
    writer.write(b"\x05\x02\x00\x02" if proxy.username else b"\x05\x01\x00")
    version, method = await reader.readexactly(2)
    if version != 5 or method == 0xFF:
        raise OSError(f"the proxy {proxy} offers no login method that kfw knows")
    if method == 2:
        user, password = proxy.username.encode(), reveal(proxy.password).encode()
        writer.write(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        if (await reader.readexactly(2))[1] != 0:
            raise OSError(f"the proxy {proxy} refuses the user and password of proxy-url")
    host = address.host.encode("idna")
    writer.write(b"\x05\x01\x00\x03" + bytes([len(host)]) + host + address.port.to_bytes(2, "big"))
    _, code, _, kind = await reader.readexactly(4)
    if code != 0:
        raise OSError(
            f"the proxy {proxy} cannot connect to {address.host}:{address.port} (SOCKS reply {code})"
        )
    length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    await reader.readexactly(length + 2)
