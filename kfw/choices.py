"""The closed sets a configuration chooses from, each once: read by the config, the control API, commands, and docs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal
from zlib import crc32


@dataclass(frozen=True)
class MethodTraits:
    """`way`: how it gets there, in words. `tool`: the program it needs beside kfw. `limits`: what it cannot do, in
    sentences; where they come from: docs/tunnel.md. `own_address`: where it listens is not the user's to choose, so the
    forward's localPort and address say nothing."""

    way: str
    tool: str = ""
    limits: tuple[str, ...] = ()
    own_address: bool = False


_API_LIMITS = (
    "a close by the server arrives about 1 s late: the container runtime waits that long",
    "half-close is lost: an app that answers only after reading to the end cannot answer",
)
_BALANCED = "the cluster itself balances over pods, so kfw does not know which pod serves a connection"

#: What `auto` chooses from, and socat and kubefwd, which are only taken by name.
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
            "while socat restarts, the port refuses connections: socat owns it, so they cannot wait",
            "socat waits 0.5 s for an answer after the client's end of input, then closes",
        ),
    ),
    "kubectl": MethodTraits(
        "through the API (kubectl)",
        "kubectl",
        (
            *_API_LIMITS,
            "one bad connection can end kubectl's tunnel: kfw starts it again, but live connections through it end",
            "a silent path can be told from a silent app only once the app has ended a connection, or with health http",
        ),
    ),
    "kubefwd": MethodTraits(
        "through the API, with names of its own (kubefwd)",
        "kubefwd",
        (
            *_API_LIMITS,
            "it runs as root and writes names into /etc/hosts; the tunnel needs neither",
            "while kubefwd restarts, the ports refuse connections: kubefwd owns them, so they cannot wait",
            "the port is the service's own, at an address of 127.0.0.0/8 that kubefwd listens on",
        ),
        own_address=True,
    ),
}


def has_own_address(method: str) -> bool:
    return method in METHODS and METHODS[method].own_address


#: As the `context` of a forward: the current one, also when that becomes another one.
FOLLOW = "follow"

#: What a forward may ask for; the best comes first in `auto`, see methods.choose.
METHOD_CHOICES = ("auto", *METHODS)

#: How the pods of an object are found: by its EndpointSlices, it is one itself, by their owner reference, by that of its
#: replica sets; "none": it has no pods.
PodsBy = Literal["endpoints", "itself", "owner", "replicasets", "none"]


@dataclass(frozen=True)
class KindTraits:
    """A kind of object as the API names it: `kind` in owner references, `plural` and `group` in paths ("" is the core).
    `short` as kubectl has it, "" where there is none."""

    kind: str
    plural: str
    short: str
    pods_by: PodsBy
    group: str = ""
    namespaced: bool = True


#: By the singular that users write before the slash. Those without pods are named by kubectl when it refuses them.
KINDS: Mapping[str, KindTraits] = {
    "service": KindTraits("Service", "services", "svc", "endpoints"),
    "pod": KindTraits("Pod", "pods", "po", "itself"),
    "deployment": KindTraits("Deployment", "deployments", "deploy", "replicasets", "apps"),
    "statefulset": KindTraits("StatefulSet", "statefulsets", "sts", "owner", "apps"),
    "daemonset": KindTraits("DaemonSet", "daemonsets", "ds", "owner", "apps"),
    "replicaset": KindTraits("ReplicaSet", "replicasets", "rs", "owner", "apps"),
    "job": KindTraits("Job", "jobs", "", "owner", "batch"),
    "replicationcontroller": KindTraits("ReplicationController", "replicationcontrollers", "rc", "owner"),
    "configmap": KindTraits("ConfigMap", "configmaps", "cm", "none"),
    "secret": KindTraits("Secret", "secrets", "", "none"),
    "endpoints": KindTraits("Endpoints", "endpoints", "ep", "none"),
    "node": KindTraits("Node", "nodes", "no", "none", namespaced=False),
    "namespace": KindTraits("Namespace", "namespaces", "ns", "none", namespaced=False),
    "ingress": KindTraits("Ingress", "ingresses", "ing", "none", "networking.k8s.io"),
    "cronjob": KindTraits("CronJob", "cronjobs", "cj", "none", "batch"),
}


def kind_named(text: str) -> str | None:
    """The key in KINDS of its singular, plural or short name; None: it is not there."""
    return next((name for name, one in KINDS.items() if text and text in (name, one.plural, one.short)), None)


_LABEL = r"([a-z0-9A-Z]([-a-z0-9A-Z.]*[a-z0-9A-Z])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?"
_VALUE = r"([a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?)?"
_REQUIREMENT = (
    rf"(!?{_LABEL}|{_LABEL} *(==|=|!=) *{_VALUE}|{_LABEL} +(in|notin) +\( *{_VALUE}( *, *{_VALUE})* *\))"
)
#: As `kubectl get -l` takes it.
LABEL_SELECTOR = f"{_REQUIREMENT}(,{_REQUIREMENT})*"


def is_selector(name: str) -> bool:
    """After TYPE/: none of these signs is in a name."""
    return not _SELECTOR_SIGNS.isdisjoint(name)


_SELECTOR_SIGNS = frozenset("=!(")

TYPES = ("web", "rest", "rpc", "other")
#: Which types can have a page, see extras/forward_uis.py, and who serves it. auto: kfw, but grpcui where it is installed;
#: grpcui is for type rpc and docker for type rest, the other type gets kfw's own.
UI_TYPES = ("rest", "rpc")
UI_CHOICES = ("auto", "own", "grpcui", "docker", "none")
READINESS = ("ready", "running")


@dataclass(frozen=True)
class HealthTraits:
    """`proof`: what a good answer is, in words. `asks_app`: only the app itself can give it, so that a way which stands is
    not enough. `own_port`: whoever asks needs a port to connect to, not a connection."""

    proof: str
    asks_app: bool = False
    own_port: bool = False


#: How to know that the far side answers.
HEALTH_TYPES: Mapping[str, HealthTraits] = {
    "tcp": HealthTraits("it accepts a connection and does not close it at once"),
    "http": HealthTraits("it answers a GET with one of the statuses", asks_app=True),
    "grpc": HealthTraits("it answers grpc.health.v1.Health/Check with SERVING", asks_app=True, own_port=True),
    "exec": HealthTraits("a command exits with 0", asks_app=True, own_port=True),
    "none": HealthTraits("nothing is asked"),
}
#: HTTP statuses that are good where a config names none: what kubelet's probes take, too.
GOOD_STATUSES = ("2xx", "3xx")
#: A status, or a class of them; and a header in one line (RFC 9110, 5.1).
HTTP_STATUS = r"^[1-5](xx|[0-9][0-9])$"
HEADER_LINE = r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+: *[^\s].*$"
ON_PORT_IN_USE = ("error", "next")


#: Programs whose forwards `kfw config import` takes over: see config/imports/table.py.
FOREIGN_KINDS = (
    *("skaffold", "devspace", "kudev", "vscode", "kftray", "compose", "kubefwd-daemon", "kportforward"),
    *("tilt", "k9s"),
)


def listed(words: tuple[str, ...], last: str = "or") -> str:
    """`tcp, http or none`"""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


#: Added to a target port below 1024 when no local port was named: 80 comes to 8080.
_UNPRIVILEGED = 8000


def usual_local_port(target_port: int) -> int:
    """Where a port is expected when nobody has said where: the same number, or one that needs no privilege."""
    return target_port if target_port >= 1024 else target_port + _UNPRIVILEGED


#: Where a port goes whose usual place is taken: below the range that systems give to clients (32768 on Linux).
_FIRST, _MANY = 20000, 12000


def free_local_port(target_port: int, whose: str, used: Collection[int]) -> int:
    """The usual one, else one that follows from `whose` alone (`shop/web:80`), so that it is the same next time; 0 where
    all are used."""
    usual = usual_local_port(target_port)
    if usual not in used:
        return usual
    begin = crc32(whose.encode())
    places = (_FIRST + (begin + step) % _MANY for step in range(_MANY))
    return next((port for port in places if port not in used), 0)
