"""Who is at fault, network, login or permission: foreign errors and HTTP statuses -> KfwError, in the tool's own words."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11
import msgspec
from msgspec import Struct

from kfw.errors import ClusterUnreachable, KfwError, LoginError, NotPermitted, Shortage, words_of
from kfw.reasons import Reason
from kfw.system.open_files import is_shortage, shortage_of

#: Characters of what a foreign error says, and of what an API server says itself.
_WORDS, _SENTENCES = 200, 1000
#: Seconds that a server may ask to be left alone. It may be wrong about them, as one that says 10^18 is.
LONGEST_RETRY_AFTER = 8.0

#: What a dial, a request or an answer may raise, whatever a kubeconfig or an API server holds: each is an `unreachable`.
#: ValueError is also a name that cannot be encoded, or a port that does not exist.
FOREIGN = (OSError, EOFError, h11.ProtocolError, ValueError, OverflowError, RecursionError)


class Gone(KfwError):
    """The version to watch from is too old (410): list again."""


class Busy(KfwError):
    """The API server answers, but not this request now (429 or 5xx). `retry_after` in seconds, 0: it did not say."""

    default_reason = Reason.CLUSTER_UNREACHABLE

    def __init__(self, what: str, fix: str = "", *, retry_after: float = 0.0) -> None:
        super().__init__(what, fix)
        self.retry_after = retry_after


class NotUnderstood(KfwError):
    """An answer that comes from no API server, or is more than one may say."""

    default_reason = Reason.CLUSTER_UNREACHABLE


class TooLarge(NotUnderstood):
    """Fewer objects at once may do."""


class Abandoned(KfwError):
    """kfw has closed the connection itself, to try again on a new one."""

    default_reason = Reason.CLUSTER_UNREACHABLE


class Absent(KfwError):
    """404: no such object, or an API server that does not know the kind, or no API server."""

    default_reason = Reason.CLUSTER_UNREACHABLE


@dataclass(frozen=True)
class ErrorContext:
    """Whom the words of an error are about."""

    context: str
    server: str
    user: str
    cluster: str = ""
    login_hint: str = ""


class _Details(Struct, rename="camel"):
    retry_after_seconds: object = 0


class _Status(Struct, rename="camel"):
    """v1 Status, the body of every error of an API server."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


def without_frames(error: KfwError) -> KfwError:
    """The same, for who keeps it: its traceback, and those of its causes, hold all that was read until then."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def unreachable(error_context: ErrorContext, error: Exception) -> ClusterUnreachable | LoginError | Shortage:
    """For what a dial or a read raised: one of FOREIGN."""
    if isinstance(error, OSError) and is_shortage(error):
        return shortage_of(f"cannot ask the API server {error_context.server}", error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ClusterUnreachable(
            f"cannot trust the API server {error_context.server}: {error.verify_message}",
            _fix_of_trust(error, error_context.cluster),
        )
    if isinstance(error, ssl.SSLError) and _refuses_certificate(error):
        return LoginError(
            f"the API server {error_context.server} refuses the TLS login of user {error_context.user}: {call_words(error)}",
            error_context.login_hint,
        )
    return ClusterUnreachable(
        f"cannot reach the API server {error_context.server}: {call_words(error)}",
        f"kubectl --context {error_context.context} cluster-info, then check the network, the VPN or the cluster",
    )


def _fix_of_trust(error: ssl.SSLCertVerificationError, cluster: str) -> str:
    """By OpenSSL's number for what did not verify (X509_V_ERR_... in openssl/x509_vfy.h)."""
    match error.verify_code:
        case 62 | 63 | 64:  # another host name, or another address
            return (
                f"set server of cluster {cluster} in the kubeconfig to a name that its certificate has, "
                "or tls-server-name to such a name"
            )
        case 9 | 10:  # not yet valid, not valid any more
            return "check this machine's clock, then have the certificate of the API server renewed"
    return f"set certificate-authority-data of cluster {cluster} in the kubeconfig to the server's CA"


def call_words(error: Exception) -> str:
    """Of one of FOREIGN. What is not HTTP may come whole, 64 KB of it, and h11 quotes a header, which may be a login."""
    match error:
        case ssl.SSLError() if error.reason in _NO_TLS:
            return "it does not speak TLS: is its URL http://, or is a proxy in between?"
        case h11.LocalProtocolError():
            return "the request cannot be sent: a header has a character that HTTP does not allow"
        case h11.RemoteProtocolError():
            return f"its answer is not HTTP: {str(error)[:_WORDS]}"
        case UnicodeError():
            return "the host name is not a name that can be looked up"
        case socket.gaierror():
            return f"the host name cannot be looked up: {words_of(error)}"
        case TimeoutError() if not str(error):
            return "it does not answer"
        case OSError() if error.filename:
            return f"{error.filename}: {words_of(error)}"
    return words_of(error)[:_WORDS]


def _refuses_certificate(error: ssl.SSLError) -> bool:
    """A TLS alert that is about the client's certificate, as the server sends it (RFC 8446 section 6.2)."""
    reason = (error.reason or "").upper()
    return "ALERT" in reason and any(
        word in reason for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    )


#: What OpenSSL says when plain text comes back.
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)


def error_of(
    status: int, body: bytes, error_context: ErrorContext, headers: Mapping[str, str] | None = None
) -> KfwError:
    """For an HTTP answer that is not 2xx. `headers` have lower-case names."""
    said = status_of(body)
    message = said.message or f"HTTP {status}"
    headers = headers or {}
    match status:
        case 401:
            return LoginError(
                f"the API server {error_context.server} refuses the login of user {error_context.user}: {message}",
                error_context.login_hint,
            )
        case 403:
            return NotPermitted(
                message,
                f"ask who runs the cluster of context {error_context.context} for a role that allows it",
            )
        case 404:
            hint = f"check the server of cluster {error_context.cluster} in the kubeconfig"
            return Absent(f"the API server {error_context.server} answers 404: {message}", hint)
        case 410:
            return Gone(message)
    if 300 <= status < 400:
        return NotUnderstood(
            f"the API server {error_context.server} redirects kfw ({status}{_elsewhere(headers)})",
            f"a proxy or a network's login page may answer for it; check the server of cluster {error_context.cluster}",
        )
    asked = said.details.retry_after_seconds if said.details else 0
    return Busy(
        f"the API server {error_context.server} answers {status}: {message}",
        retry_after=max(seconds_of(asked), seconds_of(headers.get("retry-after", ""))),
    )


def _elsewhere(headers: Mapping[str, str]) -> str:
    """Without the path and the query, where secrets may be."""
    try:
        url = urlsplit(headers.get("location", ""))
        return f", to {url.scheme}://{url.hostname}" if url.hostname else ""
    except ValueError:
        return ""


def seconds_of(said: object) -> float:
    """Of a retryAfterSeconds or a Retry-After, which client-go takes as a whole number only; 0 for anything else."""
    if isinstance(said, str) and said.strip().isdecimal():
        said = int(said.strip()[:20])
    if not isinstance(said, int | float) or not said > 0:
        return 0.0
    return float(min(said, LONGEST_RETRY_AFTER))


def status_of(body: bytes) -> _Status:
    """What a proxy in between says instead is cut to its first line."""
    try:
        said = msgspec.json.decode(body, type=_Status)
    except (ValueError, RecursionError):  # DecodeError is a ValueError
        return _Status(message="a web page (HTML)" if is_html(body) else _first_line(body))
    said.message = said.message[:_SENTENCES]
    return said


def _first_line(body: bytes) -> str:
    return body[:_SENTENCES].decode(errors="replace").strip().partition("\n")[0][:_WORDS]


def is_html(body: bytes | bytearray) -> bool:
    return (
        bytes(body[:200]).lstrip().lower().startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<!--"))
    )


def not_understood(error: NotUnderstood, error_context: ErrorContext) -> NotUnderstood:
    """A decoder's error, with the server that it is about."""
    return NotUnderstood(
        f"the API server {error_context.server} gave an answer that is not from Kubernetes: {error.what}",
        error.fix or f"check the server of cluster {error_context.cluster}, and what is between here and it",
    )
