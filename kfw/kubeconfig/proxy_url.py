"""The URL of a proxy: of a cluster's proxy-url, or of the environment. Pure."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from kfw.kubeconfig.server_url import BadUrl
from kfw.secret import NO_SECRET, Secret

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True)
class Proxy:
    """`scheme` http or https (CONNECT, the latter within TLS) or socks5; the proxy looks the host name up."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: Secret = NO_SECRET

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse(text: str) -> Proxy:
    """Without a scheme it is HTTP. Raises BadUrl, which shows neither a name nor a password."""
    text = text.strip()
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        port = url.port
    except ValueError as error:  # its words may quote the password
        raise BadUrl("is not a URL with a port from 1 to 65535") from error
    # Go's dialer takes an address without a host for this machine.
    host = url.hostname or ("localhost" if port else "")
    if url.scheme not in _PORTS:
        raise BadUrl(f'has the scheme "{url.scheme}": kfw knows http, https and socks5 proxies')
    if not host or port == 0 or any(character <= " " or character == "\x7f" for character in host):
        raise BadUrl("names no host and port")
    return Proxy(
        url.scheme.removesuffix("h"),
        host,
        port or _PORTS[url.scheme],
        unquote(url.username or ""),
        Secret(unquote(url.password or "")),
    )
