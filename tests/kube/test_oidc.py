"""Users of auth-provider oidc, with an issuer of the test."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from kfw.errors import LoginError
from kfw.kube import oidc
from kfw.kube.login import Login
from kfw.kubeconfig.entries import Access, ClusterEntry, UserEntry
from kfw.secret import Secret
from tests.kube import certificates
from tests.kube.proxies import connect, proxying
from tests.kube.test_api_server import serves
from tests.stream_server import streams

pytestmark = pytest.mark.asyncio

#: The wall clock of these tests.
NOW = 2_000_000_000.0


def token(seconds: float | None, name: str = "t") -> str:
    claims = {"sub": name} if seconds is None else {"sub": name, "exp": NOW + seconds}
    parts = [{"alg": "none"}, claims]
    coded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*coded, "c2ln"))


class Issuer:
    """`answers` are what the token endpoint says, one after the other; the last one again and again."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.authorizations: list[str] = []
        self.answers: list[tuple[int, bytes]] = []
        self.discovery: bytes | None = None
        self.silent = False
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/realm"

    def gives(self, **answer: object) -> None:
        self.answers.append((200, json.dumps(answer).encode()))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = await reader.readexactly(int(headers.get("Content-Length", "0")))
        if self.silent:
            await reader.read()
        if "/.well-known/openid-configuration " in head:
            endpoint = {"token_endpoint": f"https://127.0.0.1:{self.port}/token?x=1"}
            status, answer = 200, self.discovery or json.dumps(endpoint).encode()
        else:
            assert head.startswith("POST /token?x=1 ")
            self.forms.append(dict(parse_qsl(body.decode())))
            self.authorizations.append(headers.get("Authorization", ""))
            status, answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(answer)}\r\n\r\n".encode() + answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with streams(issuer.serve, tls=serves("127.0.0.1", "issuer.invalid")) as server:
        issuer.port = server.port
        yield issuer


def user(issuer: str = "https://127.0.0.1:1", **config: str) -> UserEntry:
    known = {"idp-issuer-url": issuer, "client-id": "kfw"}
    known["idp-certificate-authority-data"] = base64.b64encode(certificates.ca()).decode()
    known |= {key.replace("_", "-"): value for key, value in config.items()}
    given = tuple((key, Secret(value)) for key, value in known.items() if value)
    return UserEntry(
        "ada", auth_provider="oidc", auth_config=given, file="/k", impersonate=(("Impersonate-User", "b"),)
    )


def login(of: UserEntry, now: list[float] | None = None) -> Login:
    clock = now or [NOW]
    return Login(Access("dev", ClusterEntry("dev", "https://dev"), of), now=lambda: clock[0], environ={})


async def test_an_id_token_is_used_while_it_is_valid_and_nobody_is_asked() -> None:
    made = await login(user(id_token=token(60))).credentials()

    assert made.headers == (("Authorization", f"Bearer {token(60)}"), ("Impersonate-User", "b"))
    assert made.ends == pytest.approx(NOW + 60 - oidc.LEEWAY)


@pytest.mark.parametrize("old", ["", token(-1), token(5), token(None), "no.jwt", "a.!.c", "a.W10.c"])
async def test_what_has_ended_is_renewed_in_memory_with_the_refresh_token(old: str, tmp_path: Path) -> None:
    async with issuing() as issuer:
        issuer.gives(id_token=token(600, "new"), refresh_token="r2")
        issuer.gives(id_token=token(1200, "newer"))
        now = [NOW]
        ours = login(user(issuer.url, id_token=old, refresh_token="r1", client_secret="s3cret"), now)
        first = await ours.credentials()
        assert first.headers[0][1] == f"Bearer {token(600, 'new')}"
        assert await ours.credentials() is first
        now[0] += 595
        assert (await ours.credentials()).headers[0][1] == f"Bearer {token(1200, 'newer')}"
        now[0] += 0.1

    pair = base64.b64encode(b"kfw:s3cret").decode()
    assert issuer.authorizations == [f"Basic {pair}"] * 2
    assert [form["refresh_token"] for form in issuer.forms] == ["r1", "r2"]
    assert issuer.forms[0]["grant_type"] == "refresh_token"


async def test_an_issuer_that_wants_the_client_in_the_form_gets_it_there() -> None:
    async with issuing() as issuer:
        issuer.answers.append((401, b'{"error": "invalid_client"}'))
        issuer.gives(id_token=token(600))
        await login(user(issuer.url, refresh_token="r1", client_secret="s3cret")).credentials()

    assert issuer.forms[1] == {
        "grant_type": "refresh_token",
        "refresh_token": "r1",
        "client_id": "kfw",
        "client_secret": "s3cret",
    }
    assert issuer.authorizations[1] == ""


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"id_token": token(-1)}, "its id-token has expired, and there is no refresh-token"),
        ({}, "it has no id-token, and there is no refresh-token"),
        ({"refresh_token": "r-secret", "idp_issuer_url": ""}, "its auth-provider has no idp-issuer-url"),
        ({"refresh_token": "r-secret", "client_id": ""}, "its auth-provider has no client-id"),
        ({"refresh_token": "r-secret", "idp_issuer_url": "http://x"}, "must begin with https://"),
        (
            {"refresh_token": "r-secret", "idp_issuer_url": "https://x:99999"},
            "has a port that is not a number",
        ),
        ({"refresh_token": "r-secret"}, "cannot be asked: Connection refused"),
        ({"refresh_token": "r-secret", "idp_certificate_authority_data": "***"}, "it is not base64 of PEM"),
        (
            {
                "refresh_token": "r-secret",
                "idp_certificate_authority_data": "",
                "idp_certificate_authority": "no",
            },
            "its idp-certificate-authority cannot be used: /no: No such file",
        ),
    ],
)
async def test_what_cannot_be_renewed_is_said_truly(config: dict[str, str], what: str) -> None:
    with pytest.raises(LoginError) as caught:
        await login(user(**config)).credentials()

    assert "user ada cannot log in by oidc" in caught.value.what and what in caught.value.what
    assert "user ada" in caught.value.fix and "/k" in caught.value.fix
    assert "r-secret" not in caught.value.what + caught.value.fix


@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        (
            400,
            b'{"error": "invalid_grant", "error_description": "r-secret is used up"}',
            "the issuer says invalid_grant",
        ),
        (500, b"<html>", "the issuer says HTTP 500"),
        (200, b"{}", "gave no valid id-token"),
        (200, b'{"id_token": "a.b"}', "gave no valid id-token"),
        (200, b'{"id_token": 5}', "gave no valid id-token"),
        (200, b"[" * 100_000, "gave no valid id-token"),
        (200, b" " * (2 << 20), "its answer has more than"),
    ],
)
async def test_an_issuer_may_answer_anything(status: int, body: bytes, what: str) -> None:
    async with issuing() as issuer:
        issuer.answers.append((status, body))
        with pytest.raises(LoginError) as caught:
            await login(user(issuer.url, refresh_token="r-secret")).credentials()

    assert what in caught.value.what
    assert "r-secret" not in caught.value.what + caught.value.fix


@pytest.mark.parametrize(
    "discovery", [b"{}", b"<html>", b'{"token_endpoint": 5}', b'{"token_endpoint": "http://x"}']
)
async def test_a_discovery_that_is_none_is_said(discovery: bytes) -> None:
    async with issuing() as issuer:
        issuer.discovery = discovery
        with pytest.raises(LoginError, match=r"does not say where to get tokens|must begin with https://"):
            await login(user(issuer.url, refresh_token="r-secret")).credentials()
    assert not issuer.forms


async def test_an_issuer_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "TIMEOUT", 0.2)
    async with issuing() as issuer:
        issuer.silent = True
        with pytest.raises(LoginError, match="cannot be asked: it does not answer"):
            await login(user(issuer.url, refresh_token="r-secret")).credentials()


async def test_the_issuer_is_asked_through_the_proxy_of_the_environment() -> None:
    async def to_here(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        where = await connect()(reader, writer)
        return ("127.0.0.1", where[1]) if where else None

    async with issuing() as issuer, proxying(to_here) as proxy:
        issuer.gives(id_token=token(600))
        far = user(f"https://issuer.invalid:{issuer.port}", refresh_token="r1")
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        found, _ = await oidc.OidcIssuer(far, environ, lambda: NOW).token()

    assert found == token(600)
    assert proxy.asked == [
        ("127.0.0.1", issuer.port)
    ]  # for the discovery; the token endpoint is on this machine
