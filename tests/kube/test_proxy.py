"""Which proxy leads to an API server."""

import pytest

from kfw.errors import UsageError
from kfw.kube import proxy
from kfw.kubeconfig.urls import Proxy, parse
from kfw.secret import Secret

SERVER = "https://api.example.com:6443"
VIA = {"HTTPS_PROXY": "http://proxy:3128"}


def choose(server: str, proxy_url: str, environ: dict[str, str]) -> Proxy | None:
    return proxy.choose(parse(server), proxy_url, environ)


def test_the_clusters_own_proxy_wins() -> None:
    assert choose(SERVER, "socks5://ada:p%40ss@gate", VIA) == Proxy(
        "socks5", "gate", 1080, "ada", Secret("p@ss")
    )


@pytest.mark.parametrize(
    ("server", "environ", "expected"),
    [
        (SERVER, {}, None),
        (SERVER, VIA, Proxy("http", "proxy", 3128)),
        (SERVER, {"https_proxy": "proxy:3128"}, Proxy("http", "proxy", 3128)),
        (SERVER, {"HTTP_PROXY": "http://proxy:3128"}, None),
        ("http://api.example.com", {"HTTP_PROXY": "http://proxy"}, Proxy("http", "proxy", 80)),
        ("https://127.0.0.1:6443", VIA, None),
        ("https://[::1]:6443", VIA, None),
        ("https://localhost:6443", VIA, None),
    ],
)
def test_the_environment_is_read_as_kubectl_does(
    server: str, environ: dict[str, str], expected: Proxy | None
) -> None:
    assert choose(server, "", environ) == expected


@pytest.mark.parametrize(
    ("server", "rule", "direct"),
    [
        (SERVER, "*", True),
        (SERVER, "example.com", True),
        (SERVER, ".example.com", True),
        (SERVER, "*.example.com", True),
        (SERVER, "api.example.com", True),
        (SERVER, "api.example.com:6443", True),
        (SERVER, "api.example.com:443", False),
        (SERVER, "ample.com", False),
        (SERVER, "other, API.Example.com", True),
        ("https://example.com", ".example.com", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://11.1.2.3", "10.0.0.0/8", False),
        ("https://[fd00::1]:6443", "fd00::/8", True),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", True),
        ("https://[fd00::1]:6443", "[fd00::1]:443", False),
        ("https://[fd00::1]:6443", "fd00:0::1", True),
        ("https://10.1.2.3", "10.0.0.0/33", False),
        ("https://10.1.2.3", "10.1.2.3:1", False),
        (SERVER, ":6443", False),
        (SERVER, "*example.com", False),
        (SERVER, "example.com.", False),
        (SERVER, "", False),
    ],
)
def test_NO_PROXY_is_read_as_kubectl_does(server: str, rule: str, direct: bool) -> None:
    assert (choose(server, "", {**VIA, "NO_PROXY": rule}) is None) is direct


def test_a_proxy_of_another_kind_is_refused_without_its_password() -> None:
    with pytest.raises(UsageError) as caught:
        choose(SERVER, "ftp://ada:secret@gate:3128", {})

    assert (
        caught.value.what
        == 'cannot go through the proxy of proxy-url: it has the scheme "ftp": kfw knows http, https and socks5 proxies'
    )


def test_a_password_is_not_in_what_is_printed() -> None:
    found = choose(SERVER, "http://ada:secret@gate", {})

    assert "secret" not in repr(found) + str(found)
