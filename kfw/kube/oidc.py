"""Users of auth-provider `oidc`: their id-token while it is valid, then a new one for their refresh token.

As kubectl's plugin/pkg/client/auth/oidc has it, but in memory only: the user's file stays the user's. What that costs:
where the issuer gives each refresh token once, kubectl has to log in again after kfw has used it, and the other way
round. https://openid.net/specs/openid-connect-discovery-1_0.html, RFC 6749 section 6.
"""

import asyncio
import base64
import binascii
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

import h11
import msgspec

from kfw.errors import LoginError, UsageError
from kfw.kube import proxy, tls
from kfw.kube.api_errors import call_words
from kfw.kube.dial import ServerAddress, dial
from kfw.kubeconfig import urls
from kfw.kubeconfig.entries import UserEntry
from kfw.kubeconfig.urls import BadUrl
from kfw.model import Reason
from kfw.secret import NO_SECRET, Secret
from kfw.system.files import read_outside
from kfw.system.open_files import OpensFor, Use
from kfw.system.trust import system_trust

T = TypeVar("T")

#: Seconds before its end that an id-token counts as ended, as for kubectl.
LEEWAY = 10.0
#: Seconds that one question to the issuer may take, and bytes that its answer may have.
TIMEOUT, LIMIT = 10.0, 1 << 20
_FOREIGN = (OSError, EOFError, ssl.SSLError, h11.RemoteProtocolError, h11.LocalProtocolError)


class _Claims(msgspec.Struct):
    exp: float = 0.0


class _Discovery(msgspec.Struct):
    token_endpoint: str = ""


class _Tokens(msgspec.Struct):
    id_token: str = ""
    refresh_token: str = ""
    error: str = ""
    error_description: str = ""


@dataclass(frozen=True)
class TokenAnswer:
    status: int
    body: bytes


class OidcIssuer:
    """Who gives tokens to one user. One question at a time: that is the caller's affair."""

    def __init__(self, user: UserEntry, environ: Mapping[str, str], now: Callable[[], float]) -> None:
        """`environ` names the proxy; `now` is the wall clock, in seconds."""
        self._user = user
        self._config = dict(user.auth_config)
        self._environ = environ
        self._now = now
        self._id_token = self._config.get("id-token", NO_SECRET)
        self._refresh_token = self._config.get("refresh-token", NO_SECRET)

    async def token(self) -> tuple[Secret, float]:
        """An id-token, and until when it can be used, by the wall clock. Raises LoginError."""
        if end_of(self._id_token) - LEEWAY <= self._now():
            await self._refresh()
        return self._id_token, end_of(self._id_token) - LEEWAY

    async def _refresh(self) -> None:
        if not self._refresh_token:
            why = "its id-token has expired" if self._id_token else "it has no id-token"
            raise self._error(f"{why}, and there is no refresh-token to get another one with", again=True)
        for key in ("idp-issuer-url", "client-id"):
            if not self._config.get(key):
                raise self._error(f"its auth-provider has no {key}", reason=Reason.BAD_CONFIG)
        endpoint = await self._endpoint(self._config["idp-issuer-url"].reveal())
        tokens = await self._ask_for_tokens(endpoint)
        if not tokens.id_token or end_of(Secret(tokens.id_token)) <= self._now():
            raise self._error("the issuer gave no valid id-token for the refresh-token", again=True)
        self._id_token = Secret(tokens.id_token)
        if tokens.refresh_token:
            self._refresh_token = Secret(tokens.refresh_token)

    async def _endpoint(self, issuer: str) -> str:
        answer = await self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        found = _decode(answer.body, _Discovery) if answer.status == 200 else None
        if not found or not found.token_endpoint:
            raise self._error(f"the issuer does not say where to get tokens (HTTP {answer.status})")
        return found.token_endpoint

    async def _ask_for_tokens(self, endpoint: str) -> _Tokens:
        """The client's secret goes into a header, and where the issuer does not take that, into the form."""
        client, secret = (
            self._config["client-id"].reveal(),
            self._config.get("client-secret", NO_SECRET).reveal(),
        )
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token.reveal()}
        pair = base64.b64encode(f"{quote(client, safe='')}:{quote(secret, safe='')}".encode()).decode()
        answer = await self._fetch(endpoint, form, Secret(f"Basic {pair}"))
        if answer.status in (400, 401):
            form |= {"client_id": client} | ({"client_secret": secret} if secret else {})
            answer = await self._fetch(endpoint, form)
        tokens = _decode(answer.body, _Tokens) or _Tokens()
        if answer.status != 200:
            words = ": ".join(word for word in (tokens.error, tokens.error_description) if word)
            raise self._error(f"the issuer says {words[:200] or f'HTTP {answer.status}'}", again=True)
        return tokens

    async def _fetch(
        self, url: str, form: Mapping[str, str] | None = None, authorization: Secret = NO_SECRET
    ) -> TokenAnswer:
        try:
            where = urls.parse(url)
        except BadUrl as error:
            raise self._error(f"its issuer's URL {error.what}", reason=Reason.BAD_CONFIG) from error
        if not where.is_https:
            raise self._error("its issuer's URL must begin with https://", reason=Reason.BAD_CONFIG)
        parts = urlsplit(url.strip())
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = urlencode(form).encode() if form else b""
        headers = [
            ("Host", where.authority),
            ("Accept", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        if form:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        if authorization:
            headers.append(("Authorization", authorization.reveal()))
        try:
            request = h11.Request(method="POST" if form else "GET", target=target, headers=headers)
            address = ServerAddress(where.host, where.port, proxy=proxy.choose(where, "", self._environ))
            async with asyncio.timeout(TIMEOUT):
                return await _exchange(address, await self._trust(), request, body)
        except (*_FOREIGN, UsageError) as error:
            words = error.what if isinstance(error, UsageError) else call_words(error)
            raise self._error(f"its issuer {where} cannot be asked: {words}") from error

    async def _trust(self) -> ssl.SSLContext:
        """By idp-certificate-authority(-data), else what the system trusts."""
        data, file = (self._config.get(f"idp-certificate-authority{end}") for end in ("-data", ""))
        if not data and not file:
            return system_trust()
        try:
            if data:
                bundle = base64.b64decode(data.reveal())
            else:
                assert file
                bundle = await read_outside(Path(self._user.file).parent / file.reveal())
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            tls.trust(made, bundle)
        except (OSError, ValueError) as error:
            words = (
                call_words(error) if isinstance(error, OSError) else "it is not base64 of PEM certificates"
            )
            raise self._error(
                f"its idp-certificate-authority cannot be used: {words}", reason=Reason.BAD_CONFIG
            ) from error
        return made

    def _error(self, why: str, *, again: bool = False, reason: Reason | None = None) -> LoginError:
        user = self._user
        fix = f"fix user {user.name} in {user.file}"
        if again:
            fix = f"log in again with what wrote user {user.name} into {user.file}"
        return LoginError(
            f"user {user.name} cannot log in by oidc: {why}", fix, reason=reason and reason.value
        )


async def _exchange(
    address: ServerAddress, tls: ssl.SSLContext, request: h11.Request, body: bytes
) -> TokenAnswer:
    """One request on a connection of its own."""
    with OpensFor(Use.UPKEEP):  # others may wait for this login than who began it
        reader, writer = await dial(address, tls)
    try:
        http = h11.Connection(h11.CLIENT)
        writer.write(http.send(request) or b"")
        writer.write((http.send(h11.Data(data=body)) or b"") if body else b"")
        http.send(h11.EndOfMessage())
        status, got = 0, bytearray()
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                got += event.data
                if len(got) > LIMIT:
                    raise OSError(f"its answer has more than {LIMIT} bytes")
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError("it closed the connection without an answer")
        return TokenAnswer(status, bytes(got))
    finally:
        writer.transport.abort()


def end_of(token: Secret) -> float:
    """`exp` of an id-token (RFC 7519 section 4.1.4), 0 for what says none. Its signature is the API server's affair."""
    parts = token.reveal().split(".")
    if len(parts) != 3:
        return 0.0
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except (binascii.Error, ValueError):
        return 0.0
    claims = _decode(payload, _Claims)
    return claims.exp if claims else 0.0


def _decode(body: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
