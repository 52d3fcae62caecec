"""Servers' URLs, as client-go takes them apart (read off kubectl by the differential test)."""

import pytest

from kfw.kubeconfig.urls import BadUrl, ServerUrl, guard, parse
from kfw.secret import Secret


@pytest.mark.parametrize(
    ("text", "host", "port", "authority", "prefix"),
    [
        ("https://a.example.com", "a.example.com", 443, "a.example.com", ""),
        ("http://a:8080/", "a", 8080, "a:8080", ""),
        ("a:8080", "a", 8080, "a:8080", ""),
        ("  https://a \n", "a", 443, "a", ""),
        ("HTTPS://A.Example.com", "A.Example.com", 443, "A.Example.com", ""),
        ("https://a.", "a.", 443, "a.", ""),
        ("https://a:", "a", 443, "a", ""),
        ("https://[::1]:6443", "::1", 6443, "[::1]:6443", ""),
        ("https://[fe80::1%25eth0]", "fe80::1%eth0", 443, "[fe80::1]", ""),
        ("https://bücher.example:1", "xn--bcher-kva.example", 1, "xn--bcher-kva.example:1", ""),
        ("https://a/k8s/clusters/c-1/", "a", 443, "a", "/k8s/clusters/c-1"),
        ("https://a//b/../c%2fd/", "a", 443, "a", "/c/d"),
        ("https://a/..", "a", 443, "a", ""),
        ("https://a/b c/ü", "a", 443, "a", "/b%20c/%C3%BC"),
        ("https://a/;x/~a$&+,=:@", "a", 443, "a", "/;x/~a$&+,=:@"),
        ("https://a/b?token=1#f", "a", 443, "a", "/b"),
        ("https://joe:pw@a:1/b", "a", 1, "a:1", "/b"),
    ],
)
def test_a_url_is_taken_apart(text: str, host: str, port: int, authority: str, prefix: str) -> None:
    url = parse(text)

    assert (url.host, url.port, url.authority, url.prefix) == (host, port, authority, prefix)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://SECRET",
        "unix:///SECRET",
        "https://",
        "https:///SECRET",
        "//SECRET",
        "://SECRET",
        "http:SECRET:80",
        "https://SECRET:99999",
        "https://SECRET:-1",
        "https://SECRET:0",
        "https://SECRET:٣",
        "https://SECRET:x",
        "https://joe:SECRET@a:x",
        "https://[::1",
        "https://[SECRET]",
        "https://[::1]SECRET",
        "https://SECRET b",
        "https://SEC\tRET",
        "https://SEC\x00RET",
        "https://SECRET..b",
        "https://" + "a" * 64,
        "https://" + ".".join(["a" * 60] * 5),
        "https://\udcff",
        "https://a/%SECRET",
        "https://-SECRET",
        "https://a,SECRET",
    ],
)
def test_what_is_not_a_url_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(BadUrl) as caught:
        parse(text)

    assert "SECRET" not in str(caught.value)


def test_a_login_in_a_url_is_kept_apart_and_never_shown() -> None:
    url = parse("https://joe:p%40ss:w@a/b?token=t0ps")

    assert (url.username, url.password, url.has_login) == (Secret("joe"), Secret("p@ss:w"), True)
    assert str(url) == "https://a/b"
    assert "joe" not in repr(url) and "p@ss" not in repr(url)
    assert parse("https://a").has_login is False


@pytest.mark.parametrize(
    "text", ["https://joe:pw@a", "https://a?token=x", "joe:pw@a", "https://joe:p@w@[::1"]
)
def test_a_url_that_may_hold_a_secret_is_one(text: str) -> None:
    guarded = guard(text)

    assert isinstance(guarded, Secret) and guarded.reveal() == text
    assert f"{guarded}" == "***"


def test_urls_are_values() -> None:
    assert parse("https://a/b/") == ServerUrl("https", "a", 443, "a", "/b")
