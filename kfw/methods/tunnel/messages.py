"""Why a connection failed, in a few words: the runtime's own are 500 characters and go to the debug log. Pure."""

from collections.abc import Sequence

from kfw.wire.portforward import FailureKind, Refusal, bare

_LONGEST = 200


def in_short(refusal: Refusal, pod: str, port: int, declared: Sequence[str] | None = None) -> str:
    """`declared`: the ports that the pod says it has, if that is known."""
    match refusal.kind:
        case FailureKind.REFUSED:
            listens = f"nothing listens on port {port} in pod {pod} (connection refused)"
            return listens + what_it_has(port, declared)
        case FailureKind.GONE:
            return f"pod {pod} is gone"
        case FailureKind.RESET:
            return f"the app in pod {pod} reset the connection to port {port}"
        case FailureKind.UNSUPPORTED:
            return f"the node of pod {pod} cannot forward ports: {_cut(bare(refusal.text))}"
        case FailureKind.UNKNOWN:
            return f"cannot reach port {port} of pod {pod}: {_cut(bare(refusal.text))}"


def what_it_has(port: int, declared: Sequence[str] | None) -> str:
    """To be said behind the refusal of a port; "" when the pod declares no port, or is not known."""
    if not declared:
        return ""
    if any(one.split(" ")[0] == str(port) for one in declared):
        return ", although it declares that port: the app has not opened it yet, or on another address"
    return f"; it has {', '.join(declared)}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
