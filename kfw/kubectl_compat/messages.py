"""kfw's errors -> what kubectl says in the same case; kfw's own line that fixes it comes below. Pure."""

from urllib.parse import urlsplit

from kfw.errors import ClusterUnreachable, KfwError, LoginError, NotPermitted, ToolMissing
from kfw.kube.api_errors import Busy
from kfw.kubectl_compat.kubectl_error import KubectlError

LOST = "error: lost connection to pod"


def told(error: KfwError, server: str) -> KubectlError:
    """For what an API server, or the way to it, refused before anything was forwarded."""
    if isinstance(error, KubectlError):
        return error
    return KubectlError(_line(error, server), error.fix)


def no_upgrade(error: str, fix: str) -> KubectlError:
    """The pod was found, and no tunnel could be opened to it."""
    return KubectlError(f"error: error upgrading connection: {error}", fix)


def not_found(resource: str, name: str) -> KubectlError:
    return KubectlError(f'Error from server (NotFound): {resource} "{name}" not found')


def not_running(phase: str, why: str = "") -> KubectlError:
    """`why`: in kfw's words, when more is known than the phase."""
    return KubectlError(
        f"error: unable to forward port because pod is not running. Current status={phase or 'Pending'}", why
    )


def _line(error: KfwError, server: str) -> str:
    match error:
        case NotPermitted():
            return f"Error from server (Forbidden): {error.what}"
        case LoginError() | ToolMissing() if not error.what.startswith("the API server"):
            return f"Unable to connect to the server: getting credentials: {error.what}"
        case LoginError():
            return "error: You must be logged in to the server (Unauthorized)"
        case Busy():
            return f"Error from server: {error.what.partition(': ')[2] or error.what}"
        case ClusterUnreachable() if "refused" in error.what.lower():
            where = urlsplit(server).netloc.rpartition("@")[2]
            return (
                f"The connection to the server {where} was refused - did you specify the right host or port?"
            )
        case ClusterUnreachable():
            return f"Unable to connect to the server: {error.what}"
    return f"error: {error.what}"
