"""The nouns that all of kfw shares: what the user wants (Forward), where it is (Endpoint), how it goes (Status)."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from kfw.choices import GOOD_STATUSES, LABEL_SELECTOR, is_selector, kind_named
from kfw.errors import KfwError
from kfw.names import RowId
from kfw.reasons import Reason as Reason
from kfw.reasons import Status as Status
from kfw.secret import Shown, redact

#: The statuses in which bytes flow.
SERVING = frozenset({Status.ACTIVE, Status.DEGRADED})


class Kind(StrEnum):
    """What the target of a forward can be: those of choices.KINDS that have pods, and pods by their labels."""

    SERVICE = "service"
    POD = "pod"
    DEPLOYMENT = "deployment"
    STATEFULSET = "statefulset"
    DAEMONSET = "daemonset"
    REPLICASET = "replicaset"
    JOB = "job"
    REPLICATIONCONTROLLER = "replicationcontroller"
    PODS = "pods"  # named by their labels

    @classmethod
    def named(cls, text: str) -> "Kind":
        """By its singular, plural or short name in any case. ValueError says which there are."""
        with suppress(ValueError):
            return cls(kind_named(text.lower()) or "")
        from difflib import get_close_matches  # for who mistypes only

        near = get_close_matches(text.lower(), NAMED_KINDS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"'{text}' cannot be forwarded to, {hint}use one of {', '.join(NAMED_KINDS)}")


NAMED_KINDS = tuple(kind for kind in Kind if kind is not Kind.PODS)


@dataclass(frozen=True)
class Target:
    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Target":
        """`svc/api` and `service/api` are a service, `api` alone is a pod as for kubectl, `pods/app=web` the pods with that
        label. ValueError says what is wrong."""
        kind, slash, name = text.partition("/")
        if slash and is_selector(name):
            if Kind.named(kind) is not Kind.POD:
                raise ValueError(f"'{text}' names a {kind} by labels, write pods/{name}")
            if not re.fullmatch(LABEL_SELECTOR, name):
                raise ValueError(
                    f"'{name}' does not select pods, write labels such as pods/app=web,tier=front"
                )
            return cls(Kind.PODS, name)
        kind, slash, name = text.rpartition("/")
        if not name or "/" in kind or (slash and not kind):
            raise ValueError(f"'{text}' is not a target, write for example service/api")
        return cls(Kind.named(kind) if kind else Kind.POD, name)


@dataclass(frozen=True)
class Retry:
    """Delays in seconds between attempts; `max_attempts` 0 means for ever."""

    initial_delay: float = 1.0
    max_delay: float = 30.0
    multiplier: float = 2.0
    max_attempts: int = 0


@dataclass(frozen=True)
class Health:
    """`type` is one of choices.HEALTH_TYPES; `interval` and `timeout` in seconds; `failures` in a row until kfw connects
    again.

    `path` to `headers` are of http: `statuses` are `204` or `2xx`, with `tls` any certificate will do, as for kubelet, and
    `headers` are lines. `service` is of grpc, "" for the whole server; `command` of exec, where `{port}` leads to the app.
    """

    type: str = "tcp"
    interval: float = 15.0
    timeout: float = 5.0
    failures: int = 3
    path: str = "/"
    statuses: tuple[str, ...] = GOOD_STATUSES
    tls: bool = False
    headers: tuple[str, ...] = field(default=(), repr=False)  # one may be a login
    service: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forward:
    """One entry of the user's config, complete: nothing is looked up later but the target itself."""

    name: str
    target: Target
    target_port: int | str | None  # number, name, or None where the target has only one
    local_port: int  # 0: any free one
    namespace: str = "default"
    context: str = ""  # pinned by name before the forward reaches the supervisor
    kubeconfig: tuple[str, ...] = ()  # files, merged by kubectl's rules; () is the user's default
    context_is_default: bool = (
        False  # the user named no context: the pinned one stays while the forward is up
    )
    #: `context: follow`: where the current context of its kubeconfig goes, it goes too.
    context_follows: bool = False
    namespace_is_default: bool = False  # the user named no namespace: it is the context's
    addresses: tuple[str, ...] = ("127.0.0.1", "::1")
    method: str = "auto"
    type: str = "other"  # web, rest, rpc, other
    api_path: str = ""
    swagger_path: str = ""
    ui: str = "auto"  # one of choices.UI_CHOICES
    ui_port: int = 0  # of its page; 0: the first free one from 9100 (rest) or 9200 (rpc) on
    proto_files: tuple[
        str, ...
    ] = ()  # what a gRPC server without reflection has: .proto files or descriptor sets
    readiness: str = "ready"  # or "running": a pod that runs will do where none is ready
    hold: float = 30.0  # seconds that a connection waits while there is no endpoint
    hold_refused: float = 2.0  # seconds, while every endpoint refuses it; never longer than `hold`
    on_port_in_use: str = "error"  # or "next"
    retry: Retry = field(default_factory=Retry)
    health: Health = field(default_factory=Health)
    profile: str | None = None
    selected: bool = False  # a service that its profile selects: it comes and goes with it
    enabled: bool = True
    source: str = ""  # the file it came from, then the key of its protocol.Source

    @property
    def id(self) -> RowId:
        """Two projects may have forwards of one name."""
        return RowId(self.source, self.name)


@dataclass(frozen=True)
class SelectingProfile:
    """A profile that selects instead of listing: each TCP port of each service that fits is a forward like `template`."""

    profile: str
    namespaces: tuple[str, ...]  # (): the one of `template`
    labels: str  # a labelSelector
    exclude: tuple[str, ...]  # names and patterns of services
    template: Forward  # named after the profile; its target and ports mean nothing


@dataclass(frozen=True)
class Endpoint:
    """Where a target is right now: a pod's port, or a node's port."""

    kind: str  # "pod" or "node"; "target" where kubectl finds the pod
    name: str
    address: str  # the node's IP; a pod's IP is only for show, the host cannot reach it
    port: int
    #: The TCP ports that a pod declares, for people: `8080 (http)`; None: not known.
    declared: tuple[str, ...] | None = field(default=None, compare=False)
    #: False: it may serve, and is only for when no other one does.
    ready: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}:{self.port}"


@dataclass(frozen=True)
class Problem:
    """Why something is not there now. `message` is a sentence in the tool's own words, `fix` what the user can do.

    As in KfwError no secret gets into either: an API server, a pod or a child may have said it.
    """

    reason: Reason
    message: str
    fix: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.message, Shown):
            object.__setattr__(self, "message", redact(self.message))
        object.__setattr__(self, "fix", redact(self.fix))


def problem_of(error: KfwError) -> Problem:
    return Problem(error.reason, error.what, error.fix)


@dataclass(frozen=True)
class Resolution:
    """What a target is right now. With a `problem` both tuples may be empty; they are ordered by preference."""

    pods: tuple[Endpoint, ...] = ()
    nodes: tuple[Endpoint, ...] = ()  # every node that may serve the node port
    problem: Problem | None = None
    no_node_port: Problem | None = None  # why `nodes` is empty while the pods are fine
    sticky: bool = False  # all go to one pod as long as it is there: session affinity, or not a service
    warning: Problem | None = None  # the endpoints are right, and the user should know of this
    needs_person: bool = False  # the login: whatever logs in by itself would only ask nobody
    cluster: int = (
        0  # which cluster, and which user entry: another number when the kubeconfig leads elsewhere
    )
    #: Names of nodes that are not ready: they come last in `nodes`.
    not_ready: tuple[str, ...] = ()
    unready: bool = False  # the pods run and are not ready: `readiness: running`, or published by the service
