"""Why a connection failed, in a few words: the runtime's own are 500 characters and go to the debug log. Pure."""

from kfw.wire.portforward import Kind, Refusal, bare

_LONGEST = 200


def in_short(refusal: Refusal, pod: str, port: int) -> str:
    match refusal.kind:
        case Kind.REFUSED:
            return f"nothing listens on port {port} in pod {pod} (connection refused)"
        case Kind.GONE:
            return f"pod {pod} is gone"
        case Kind.RESET:
            return f"the app in pod {pod} reset the connection to port {port}"
        case Kind.UNSUPPORTED:
            return f"the node of pod {pod} cannot forward ports: {_cut(bare(refusal.text))}"
        case Kind.UNKNOWN:
            return f"cannot reach port {port} of pod {pod}: {_cut(bare(refusal.text))}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
