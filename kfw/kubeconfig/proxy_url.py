"""The URL of a proxy: of a cluster's proxy-url, or of the environment. Pure."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from kfw.kubeconfig.server_url import BadUrl, host_and_port
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
    except ValueError as error:  # its words may quote the password
        raise BadUrl("is not a URL") from error
    if url.scheme not in _PORTS:
        raise BadUrl(f'has the scheme "{url.scheme}": kfw knows http, https and socks5 proxies')
    login, _, place = url.netloc.rpartition("@")
    # Go's dialer takes an address without a host for this machine.
    host, port = host_and_port(f"localhost{place}" if place.startswith(":") else place)
    name, _, word = login.partition(":")
    return Proxy(
        url.scheme.removesuffix("h"),
        host,
        port or _PORTS[url.scheme],
        unquote(name),
        Secret(unquote(word)),
    )
