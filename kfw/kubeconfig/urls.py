"""The URLs of API servers and proxies. Pure.

That of an API server is taken apart once, as client-go takes it apart. What it sends was read off kubectl 1.32 by
tests/kubeconfig/test_differential.py: query and fragment are dropped, the path is unescaped and cleaned, a name and a
password are sent as Basic, and win over the user's own login.
"""

import posixpath
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import quote, unquote, urlsplit

from kfw.secret import NO_SECRET, Secret

PORTS = {"http": 80, "https": 443}

_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)\Z")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
#: What stays as it is in a path (RFC 3986 section 3.3), apart from what `quote` never touches.
_IN_PATH = "/!$&'()*+,;=:@"
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class BadUrl(ValueError):
    """`what` is a clause, for behind "server ", that quotes no secret."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True)
class ServerUrl:
    """`host` is what is dialled, `authority` what the Host header says, `prefix` what all paths begin with: quoted,
    without a slash at its end. `username` and `password` are of the URL."""

    scheme: str
    host: str
    port: int
    authority: str
    prefix: str = ""
    username: Secret = field(default=NO_SECRET, repr=False)
    password: Secret = field(default=NO_SECRET, repr=False)
    has_login: bool = False

    @property
    def is_https(self) -> bool:
        return self.scheme == "https"

    def __str__(self) -> str:
        """For people: without what may be secret."""
        return f"{self.scheme}://{self.authority}{self.prefix}"


def parse(text: str) -> ServerUrl:
    """Without a scheme it is plain HTTP. Raises BadUrl."""
    text = text.strip()
    if any(character < " " or character == "\x7f" for character in text):
        raise BadUrl("holds a control character")
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
    except ValueError as error:  # its words quote the URL
        raise BadUrl("is not a URL") from error
    if url.scheme not in PORTS:
        raise BadUrl(f'has the scheme "{url.scheme}": it must be https or http')
    login, at, place = url.netloc.rpartition("@")
    name, _, word = login.partition(":")
    host, port = host_and_port(place)
    return ServerUrl(
        scheme=url.scheme,
        host=host,
        port=port or PORTS[url.scheme],
        authority=_authority(host, place),
        prefix=_prefix(url.path),
        username=Secret(unquote(name)),
        password=Secret(unquote(word)),
        has_login=bool(at),
    )


def guard(text: str) -> str:
    """A Secret if the URL itself may hold what must not be shown, also if it cannot be parsed."""
    return Secret(text) if "@" in text or "?" in text else text


def host_and_port(place: str) -> tuple[str, int | None]:
    """The host as it is dialled: without brackets, and in ASCII (RFC 3490)."""
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or not _is_address(unquote(host)):
            raise BadUrl("has a host in brackets that is not an IPv6 address")
        return unquote(host), _port(rest[1:])
    host, _, port = place.partition(":")
    return _host_name(host), _port(port)


def name_of(text: str) -> str:
    """What a certificate is to be for: a host name or an address. Raises BadUrl.

    Never empty: for asyncio an empty name means that none is checked.
    """
    text = text.strip()
    return text if _is_address(text) else _host_name(text)


def _port(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 0 < int(text) < 65536:
        raise BadUrl("has a port that is not a number from 1 to 65535")
    return int(text)


def _host_name(host: str) -> str:
    if not host:
        raise BadUrl("names no host")
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise BadUrl("has a host name that cannot be written in ASCII (IDNA)") from error
    labels = name.removesuffix(".").split(".")
    if not _HOST_NAME.match(name) or not all(0 < len(label) < 64 for label in labels) or len(name) > 254:
        raise BadUrl("has a host that is not a host name or an address")
    return name


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _authority(host: str, place: str) -> str:
    """As Go writes the Host header: the port only if it is written, a zone not at all (RFC 6874 section 1)."""
    port = place.rpartition("]")[2].partition(":")[2]
    bare = f"[{host.partition('%')[0]}]" if place.startswith("[") else host
    return f"{bare}:{port}" if port else bare


def _prefix(path: str) -> str:
    if _BAD_ESCAPE.search(path):
        raise BadUrl("has a % in its path that escapes nothing")
    clean = posixpath.normpath("/" + unquote(path, errors="replace").lstrip("/"))
    return "" if clean == "/" else quote(clean, safe=_IN_PATH)


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


def parse_proxy(text: str) -> Proxy:
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
