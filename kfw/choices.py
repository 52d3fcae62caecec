"""The closed sets a configuration chooses from, each once: read by the config, the control API, commands, and docs."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MethodTraits:
    """`way`: how it gets there, in words. `tool`: the program it needs beside kfw. `limits`: what it cannot do, in
    sentences; where they come from: docs/tunnel.md."""

    way: str
    tool: str = ""
    limits: tuple[str, ...] = ()


_API_LIMITS = (
    "a close by the server arrives about 1 s late: the container runtime waits that long",
    "half-close is lost: an app that answers only after it has read to the end cannot answer",
)
_BALANCED = "the cluster balances over pods itself, so which pod serves a connection is not known here"

#: What `auto` chooses from, and socat, which is only taken by name.
METHODS: Mapping[str, MethodTraits] = {
    "tunnel": MethodTraits("through the API (tunnel)", limits=_API_LIMITS),
    "nodeport": MethodTraits("straight to the node (nodeport)", limits=(_BALANCED,)),
    "forwarder": MethodTraits(
        "through docker (forwarder)",
        "docker",
        (
            _BALANCED,
            "each connection is a process in the container, and one more hop than straight to the node",
        ),
    ),
    "socat": MethodTraits(
        "to the node by socat (socat)",
        "socat",
        (
            "while socat is restarted the port refuses: the child owns it, so connections cannot wait",
            "socat waits 0.5 s for an answer after the client's end of input, then closes",
        ),
    ),
    "kubectl": MethodTraits(
        "through the API (kubectl)",
        "kubectl",
        (
            *_API_LIMITS,
            "one bad connection can end kubectl's tunnel: it is started again, and live connections through it end",
            "a silent path can be told from a silent app only once the app has ended a connection, or with health http",
        ),
    ),
}
#: What a forward may ask for; the best comes first in `auto`, see methods.choose.
METHOD_CHOICES = ("auto", *METHODS)

TYPES = ("web", "rest", "rpc", "other")
READINESS = ("ready", "running")
HEALTH_TYPES = ("tcp", "http", "none")
ON_PORT_IN_USE = ("error", "next")


def listed(words: tuple[str, ...], last: str = "or") -> str:
    """`tcp, http or none`"""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)
