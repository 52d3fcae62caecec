"""Who is at fault, network, login or permission: foreign errors and HTTP statuses -> KfwError, in the tool's own words."""

import errno
import os
import socket
import ssl
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from kfw.errors import ClusterUnreachable, KfwError, LoginError, NotPermitted
from kfw.model import Problem, Reason
from kfw.system.files import Unreadable

#: Characters of what a foreign error says.
_WORDS = 200


class Gone(KfwError):
    """The version to watch from is too old (410): list anew."""


class Busy(KfwError):
    """The API server answers, but not this request now (429 or 5xx). `retry_after` in seconds, 0: it did not say."""

    default_reason = "cluster-unreachable"

    def __init__(self, what: str, fix: str = "", *, retry_after: float = 0.0) -> None:
        super().__init__(what, fix)
        self.retry_after = retry_after


class Absent(KfwError):
    """404: no such object, or an API server that does not know the kind, or no API server."""

    default_reason = "cluster-unreachable"


@dataclass(frozen=True)
class ErrorContext:
    """Whom the words of an error are about."""

    context: str
    server: str
    user: str
    cluster: str = ""
    login_hint: str = ""


class _Details(Struct, rename="camel"):
    retry_after_seconds: int = 0


class _Status(Struct, rename="camel"):
    """v1 Status, the body of every error of an API server."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


def problem_of(error: KfwError) -> Problem:
    return Problem(Reason(error.reason), error.what, error.fix)


def unreachable(error_context: ErrorContext, error: Exception) -> ClusterUnreachable | LoginError:
    """For what a dial or a read raised: OSError, ssl.SSLError, TimeoutError, EOFError or a protocol error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ClusterUnreachable(
            f"cannot trust the API server {error_context.server}: {error.verify_message}",
            f"set certificate-authority-data of cluster {error_context.cluster} in the kubeconfig to the server's CA",
        )
    if isinstance(error, ssl.SSLError) and _refuses_certificate(error):
        return LoginError(
            f"the API server {error_context.server} refuses the TLS login of user {error_context.user}: {_ssl_words(error)}",
            error_context.login_hint,
        )
    return ClusterUnreachable(
        f"cannot reach the API server {error_context.server}: {words_of(error)}",
        f"kubectl --context {error_context.context} cluster-info, then check the network, the VPN or the cluster",
    )


def words_of(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return _ssl_words(error)
    if isinstance(error, socket.gaierror):
        return f"the host name cannot be looked up: {error.strerror}"
    if isinstance(error, Unreadable):
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, TimeoutError):
        return str(error) or "it does not answer"
    if isinstance(error, ConnectionResetError):
        return os.strerror(errno.ECONNRESET)  # asyncio raises it without a number, too
    if isinstance(error, OSError) and error.errno:
        words = os.strerror(error.errno)  # asyncio's own text is "Connect call failed ..."
        return f"{error.filename}: {words}" if error.filename else words
    return str(error)[:_WORDS] or type(error).__name__  # what is no HTTP may come whole, 64 KB of it


def _refuses_certificate(error: ssl.SSLError) -> bool:
    """A TLS alert that is about the client's certificate, as the server sends it (RFC 8446 section 6.2)."""
    reason = (error.reason or "").upper()
    return "ALERT" in reason and any(
        word in reason for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    )


def _ssl_words(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).lower().replace("_", " ")


def error_of(status: int, body: bytes, error_context: ErrorContext) -> KfwError:
    """For an HTTP answer that is not 2xx."""
    said = status_of(body)
    message = said.message or f"HTTP {status}"
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
    retry_after = said.details.retry_after_seconds if said.details else 0
    return Busy(f"the API server {error_context.server} answers {status}: {message}", retry_after=retry_after)


def status_of(body: bytes) -> _Status:
    """What a proxy in between says instead is cut to its first line."""
    try:
        return msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        first = body.decode(errors="replace").strip().partition("\n")[0]
        return _Status(message=first[:200])
