"""What ends the command: a line in kubectl's words, and what kubectl says where kfw has an error of its own. Pure.

kfw's own line that fixes it comes below.
"""

from urllib.parse import urlsplit

from kfw.errors import ClusterUnreachable, KfwError, LoginError, NotPermitted, ToolMissing

LOST = "error: lost connection to pod"


class KubectlError(KfwError):
    """`what` is printed as it is, without a prefix of kfw's. The exit code is 1, as kubectl's always is."""


def misuse(what: str) -> KubectlError:
    """What pflag does not understand."""
    return KubectlError(f"error: {what}\nSee 'kfw port-forward --help' for usage.")


def usage(what: str) -> KubectlError:
    """What the command does not understand."""
    return KubectlError(f"error: {what}\nSee 'kfw port-forward -h' for help and examples")


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
    from kfw.kube.api_errors import Busy  # a mistake in the arguments is said without it

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
