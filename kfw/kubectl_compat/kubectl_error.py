"""What ends the command: a line in kubectl's words."""

from kfw.errors import KfwError


class KubectlError(KfwError):
    """`what` is printed as it is, without a prefix of kfw's. The exit code is 1, as kubectl's always is."""


def misuse(what: str) -> KubectlError:
    """What pflag does not understand."""
    return KubectlError(f"error: {what}\nSee 'kfw port-forward --help' for usage.")


def usage(what: str) -> KubectlError:
    """What the command does not understand."""
    return KubectlError(f"error: {what}\nSee 'kfw port-forward -h' for help and examples")
