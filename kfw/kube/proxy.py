"""Which proxy leads to an API server: the cluster's proxy-url, else the environment by the rules of Go. Pure.

https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

from kfw.errors import UsageError
from kfw.secret import NO_SECRET, Secret

_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True)
class Proxy:
    """`scheme` http (CONNECT) or socks5; the proxy looks the host name up."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: Secret = NO_SECRET

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def choose(server: str, proxy_url: str, environ: Mapping[str, str]) -> Proxy | None:
    """None: go there directly. Raises UsageError for a proxy of a kind that kfw cannot use."""
    if proxy_url:
        return parse(proxy_url)
    url = urlsplit(server)
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    variable = f"{url.scheme}_proxy"
    found = environ.get(variable.upper()) or environ.get(variable)
    if not found or _is_local(host) or _excepted(host, port, environ):
        return None
    return parse(found)


def parse(text: str) -> Proxy:
    url = urlsplit(text if "://" in text else f"http://{text}")
    if url.scheme not in _PORTS or not url.hostname:
        raise UsageError(
            f"cannot go through the proxy {_without_password(url)}: kfw knows http and socks5 proxies",
            "set proxy-url of the cluster (or HTTPS_PROXY) to http://HOST:PORT or socks5://HOST:PORT",
        )
    return Proxy(
        url.scheme.removesuffix("h"),
        url.hostname,
        url.port or _PORTS[url.scheme],
        unquote(url.username or ""),
        Secret(unquote(url.password or "")),
    )


def _without_password(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _excepted(host: str, port: int, environ: Mapping[str, str]) -> bool:
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    return any(
        _matches(host.lower(), port, part.strip().lower()) for part in listed.split(",") if part.strip()
    )


def _matches(host: str, port: int, rule: str) -> bool:
    """`*`, an address or network, `example.com` (and all below it), `.example.com` (only below); with a port or not."""
    if rule == "*":
        return True
    if "/" in rule:
        return _in_network(host, rule)
    name, colon, wanted = rule.rpartition(":")
    if colon and wanted.isdecimal() and (":" not in name or name.startswith("[")):
        if int(wanted) != port:
            return False
        rule = name
    rule = rule.strip("[]").removeprefix("*")
    return host == rule or host.endswith(rule if rule.startswith(".") else f".{rule}")


def _in_network(host: str, rule: str) -> bool:
    try:
        return ip_address(host) in ip_network(rule, strict=False)
    except ValueError:
        return False
