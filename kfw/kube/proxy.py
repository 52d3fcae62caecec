"""Which proxy leads to an API server: the cluster's proxy-url, else the environment by the rules of Go. Pure.

https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from kfw.errors import UsageError
from kfw.kubeconfig.urls import BadUrl, Proxy, ServerUrl, parse_proxy
from kfw.secret import reveal


def choose(server: ServerUrl, proxy_url: str, environ: Mapping[str, str]) -> Proxy | None:
    """None: go there directly. Raises UsageError for a proxy that kfw cannot use."""
    if proxy_url:
        return _parse(reveal(proxy_url), "proxy-url")
    variable = f"{server.scheme}_proxy"
    variable = variable.upper() if environ.get(variable.upper()) else variable
    found = environ.get(variable)
    if not found or _is_local(server.host) or _excepted(server.host, server.port, environ):
        return None
    return _parse(found, variable)


def _parse(text: str, whose: str) -> Proxy:
    try:
        return parse_proxy(text)
    except BadUrl as error:
        raise UsageError(
            f"cannot go through the proxy of {whose}: it {error.what}",
            f"set {whose} to http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT",
        ) from error


def _is_local(host: str) -> bool:
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _excepted(host: str, port: int, environ: Mapping[str, str]) -> bool:
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    rules = [rule for part in listed.split(",") if (rule := part.strip().lower())]
    return any(_matches(host.lower(), port, rule) for rule in rules)


def _matches(host: str, port: int, rule: str) -> bool:
    """`*`, an address or network, `example.com` (and all below it), `.example.com` (only below); with a port or not.

    As Go's httpproxy reads them: a network has no port, and a rule of a port alone matches nothing.
    """
    if rule == "*":
        return True
    address = _address(host)
    if "/" in rule:
        return address is not None and _is_in(address, rule)
    name, wanted = _split_port(rule)
    if wanted and wanted != str(port):
        return False
    if (wanted_address := _address(name.strip("[]"))) is not None:
        return address == wanted_address
    if not name:
        return False
    name = name.removeprefix("*") if name.startswith("*.") else name
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split_port(rule: str) -> tuple[str, str]:
    """As net.SplitHostPort: of two colons without brackets none is one before a port."""
    name, colon, port = rule.rpartition(":")
    if not colon or (":" in name and not name.endswith("]")):
        return rule, ""
    return name, port


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_in(address: IPv4Address | IPv6Address, rule: str) -> bool:
    try:
        return address in ip_network(rule, strict=False)
    except ValueError:
        return False
