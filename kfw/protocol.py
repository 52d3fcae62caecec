"""The control API: requests, replies and events, typed. JSON over HTTP/1.1 on the unix socket; events as SSE.

    GET    /v1/status                           -> StatusReply
    GET    /v1/forwards/{name}/explain?project= -> Explanation     `project`: as in NamesRequest
    GET    /v1/forwards/{name}/tap?project=     -> TapEvent as JSON lines in SSE `data:`, of connections that come
    GET    /v1/connections                      -> ConnectionsReply  open ones, then the last that ended
    POST   /v1/up          UpRequest            -> UpReply         plan(running, wanted), then start
    POST   /v1/down        NamesRequest         -> NamesReply      [] is all of `project`, without one all
    POST   /v1/enable      SwitchRequest        -> NamesReply      start, and undo `disable`
    POST   /v1/disable     SwitchRequest        -> NamesReply      stop; a bare `up` does not start it
    POST   /v1/restart     AgainRequest         -> NamesReply      close the way, open it again
    POST   /v1/retry       AgainRequest         -> NamesReply      try now what waits or is in error
    POST   /v1/remove      NamesRequest         -> NamesReply      stop, and forget the row
    POST   /v1/reload      ReloadRequest        -> UpReply         read the files of what is up again
    POST   /v1/stop                             -> {}              end the daemon, and what it started
    POST   /v1/handover    HandoverRequest      -> HandoverReply   a new daemon takes over the ports
    POST   /v1/start       StartRequest         -> ForwardStatus   one forward; answers when it is active
    GET    /v1/clusters?kubeconfig=FILES        -> ClustersReply   contexts, and how many forwards each has
    POST   /v1/targets     TargetsRequest       -> TargetsReply    what can be forwarded in a namespace
    POST   /v1/target-ports PortsRequest        -> PortsReply      the ports of one target
    GET    /v1/local-ports/{port}               -> LocalPort       is it free, and who has it
    GET    /v1/logs?name=NAME&lines=N           -> LogReply        the last lines of the daemon's log
    POST   /v1/perf        PerfRequest          -> PerfReply       times of openings; what the daemon does meanwhile
    POST   /v1/web         WebRequest           -> WebReply        serve the page, and a link that logs in to it
    POST   /v1/web/stop                         -> {}              serve it no more
    GET    /v1/events?since=SEQ&follow=true     -> Event as JSON lines in SSE `data:` (follow=false: JSON list)
                      &traffic=SECONDS             and between them an Event of type traffic, so often
    GET    /v1/ping                             -> DaemonInfo
    GET    /v1/openapi.json

Errors are HTTP 4xx/5xx with ErrorReply. Field names are camelCase on the wire.
"""

import msgspec

from kfw.model import Forward, Reason, SelectingProfile, Status
from kfw.names import RowId


class EndpointInfo(msgspec.Struct, rename="camel", frozen=True):
    kind: str
    name: str
    address: str
    port: int


class Totals(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Of one name, over all daemons, since it was first seen. They never become less."""

    since: str  # RFC 3339
    restarts: int = 0  # ways opened after the first
    reconnects: int = 0  # how often it became active again, without being stopped
    failures: int = 0  # how often it became unhealthy: degraded or worse
    uptime_seconds: float = 0.0  # in which it served
    connections: int = 0
    lost_connections: int = 0
    bytes_in: int = 0  # from the cluster to the clients
    bytes_out: int = 0


class UiInfo(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """The page of a forward for people."""

    kind: str  # swagger, grpc
    status: str  # starting, active, error
    url: str | None = None  # None while it does not answer
    message: str = ""  # why it is not there, in a sentence


class ForwardStatus(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """One forward, the same in `status --json`, the API and events. Times are RFC 3339 in UTC."""

    name: str
    project: str = ""  # its file, or "added" of `kfw add`: the key of its Source; with `name` it says which forward this is
    display_name: str = (
        ""  # for people: `name`, and `project/name` in short while another project has one, too
    )
    profile: str | None = None
    status: Status
    reason: Reason | None = None
    message: str = ""  # a sentence for people
    context: str
    namespace: str
    target: str  # "service/api"
    target_port: int | str | None = None
    method: str  # the one in use; before one is chosen, the configured one
    local_addresses: list[str] = []
    local_names: list[str] = []  # in this machine's hosts file (method kubefwd)
    local_port: int  # the real one; 0 while it is not known
    configured_port: int
    url: str | None = None  # None while nothing answers there
    ui: UiInfo | None = None  # its page; None: it has none, or does not serve
    endpoint: EndpointInfo | None = None
    pid: int | None = None  # the child's, if the method has one
    restarts: int = 0
    since: str  # when this status began
    started_at: str = ""  # when it was asked for last; "" of a daemon that does not say
    #: Grows with each start: what comes with a lower one than was seen is old. After "stopped" only a new start comes.
    epoch: int = 0
    uptime_seconds: float = 0.0  # since it became active
    next_attempt_at: str | None = None
    connections: int = 0  # open now
    total_connections: int = 0  # since it is up
    lost_connections: int = 0  # of these: ended by a reset of the far side, or given up
    bytes_in: int = 0  # from the cluster to the client
    bytes_out: int = 0  # from the client to the cluster
    totals: Totals | msgspec.UnsetType = msgspec.UNSET  # in a StatusReply only

    @property
    def id(self) -> RowId:
        return RowId(self.project, self.name)

    @property
    def shown(self) -> str:
        """For people. A daemon of an older version does not send it."""
        return self.display_name or self.name


class DaemonInfo(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    running: bool
    pid: int | None = None
    version: str | None = None
    uptime_seconds: float | None = None
    rss_bytes: int | None = None
    socket: str
    metrics: str | None = None  # address:port of the metrics page; None: it is off
    web: str | None = None  # address:port of `kfw web`; None: it is off
    warnings: list[str] = []  # what is wrong with the daemon itself, in sentences: files, disk


class RemoteDefaults(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Defaults at a URL (`--config-url`) that something which is up was asked for with."""

    url: str  # without its query
    state: str  # current; old: a copy from before is used; missing: there is none, and nothing of it is used
    newest_at: str | None = None  # when the copy was the newest
    message: str = ""  # why it is not any more


class StatusReply(msgspec.Struct, rename="camel", frozen=True):
    daemon: DaemonInfo
    forwards: list[ForwardStatus]
    seq: int = 0  # of the last event that is in it: follow those after it
    remote_defaults: list[RemoteDefaults] = []


#: The key of what `add` brought: no file stands behind it, so `reload` leaves it alone.
ADDED = "added"


class Source(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """How the forwards were asked for, so that `reload` can read the same files in the same surroundings."""

    key: str  # names the set that one `up` replaces: the project file, else the user file
    project: str = ""  # what a bare `down` in the folder of the caller ends; "" is the same as `key`
    cwd: str
    config_files: list[str] = []  # --config, in order
    flags: dict[str, str] = {}  # --context, --namespace, ...
    config_url: str = ""  # --config-url: its copy in the cache is the lowest layer
    kubeconfig: str | None = None  # $KUBECONFIG of the caller


class WithEnviron(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """A request that brings the environment of the shell it was made in: for plugins, proxies and children of its forwards.

    None: it stays as it is. Values are secrets: `repr` shows names only.
    """

    environ: dict[str, str] | None = None

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "environ"}
        fields = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{type(self).__name__}({fields}, environ: {', '.join(sorted(self.environ or ()))})"


class UpRequest(WithEnviron, rename="camel", frozen=True, kw_only=True):
    forwards: list[Forward]
    source: Source
    #: True: what is up from the same source and not in `forwards` is stopped (`up` without names).
    replace: bool = False
    #: Which of `forwards` were named one by one, and which profiles were named whole; neither: all of them, one by one.
    names: list[str] = []
    profiles: list[str] = []
    #: The profiles that select, of which services become forwards as they come.
    selections: list[SelectingProfile] = []
    #: What was read: modification time in ns, size, inode and device of each file. The daemon watches them.
    files: dict[str, tuple[int, int, int, int] | None] = {}


class UpReply(msgspec.Struct, rename="camel", frozen=True):
    """Display names. `forwards`: of each of them, project and name apart."""

    started: list[str]
    restarted: list[str]
    stopped: list[str]
    unchanged: list[str]
    forwards: dict[str, RowId] = {}


class NamesRequest(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """Forwards, profiles or patterns of them, or `project/name`; without any all of `project`, and without one all that
    there are."""

    names: list[str] = []
    #: The key of the source that the caller's folder belongs to: its names go before those of others.
    project: str = ""
    #: Only those that are in this one.
    context: str = ""


class AgainRequest(WithEnviron, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Of retry and restart. Without names `environ` is for the forwards of `project` and those that have none yet."""

    names: list[str] = []
    #: The key of the source that the caller's folder belongs to, whose names go before those of others; "" outside of any.
    project: str = ""
    #: Only those that are in this one.
    context: str = ""


class ReloadRequest(WithEnviron, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    project: str = ""
    #: Only forwards that are in this one, or come into it.
    context: str = ""


class SwitchRequest(WithEnviron, rename="camel", frozen=True, kw_only=True):
    """Of enable and disable: forwards and profiles, which need not be up. `source`: the caller's files, which have them,
    and whose names go before those of others."""

    names: list[str]
    source: Source


class NamesReply(msgspec.Struct, rename="camel", frozen=True):
    """Display names. `forwards`: of each of them, project and name apart."""

    names: list[str]
    forwards: dict[str, RowId] = {}


class ConnectionInfo(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """One connection of a client."""

    forward: str
    project: str = ""  # of that forward
    display_name: str = ""  # of that forward, as in ForwardStatus
    client: str  # "127.0.0.1:51234"; "" if it left before it was known
    process: str | None = (
        None  # "curl (pid 41)", where the system tells and somebody looked while it was open
    )
    endpoint: str | None = None  # the pod that it goes to, or the forward's endpoint
    state: str  # waiting, open, closed, lost
    why: str = ""  # it waits, or ended otherwise than by a close
    since: str  # RFC 3339
    seconds: float  # since then, or until it ended
    first_byte_seconds: float | None = None  # from then to the first byte of the app; None: there was none
    bytes_in: int = 0  # from the cluster to the client
    bytes_out: int = 0


class TapEvent(msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """Of a connection that a tap sees."""

    connection: int  # counted from 1 by each tap
    kind: str  # opened, client and server (they said `data`), missed (the reader was too slow: no more data), closed
    time: float  # seconds since 1970
    data: bytes = b""  # base64
    client: str = ""  # of opened: "127.0.0.1:51234"
    endpoint: str = ""  # of closed: the pod that it went to, as far as the way tells
    why: str = ""  # of closed: otherwise than by a close


class ConnectionsReply(msgspec.Struct, rename="camel", frozen=True):
    connections: list[ConnectionInfo]


class HandoverRequest(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Start a new daemon, and hand everything over to it. Refused while it would lose something."""

    python: str  # the interpreter that has the new kfw
    folder: str = ""  # in which only it finds kfw; "": kfw is installed there
    drain: float = 600.0  # seconds that live connections have to end by themselves, in the daemon before


class HandoverReply(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    pid: int  # of the new daemon, which serves now
    version: str
    before: int  # pid of the one before
    connections: int  # that live on in it
    drain: float  # for as many seconds at most
    moved: list[str]  # forwards whose port a child has, so that it was closed for a moment


class ForwardTraffic(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """What a forward carries: as of the same fields of its ForwardStatus."""

    name: str
    project: str = ""
    connections: int
    bytes_in: int
    bytes_out: int


class Event(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """A change. `forward` is the whole status after it; None for the daemon's own events. `seq` counts from 1."""

    seq: int
    time: str
    type: str  # status, removed, connection, daemon, reload, log; traffic for who asked for it
    name: str | None = None
    project: str | None = None
    display_name: str | None = None  # as in ForwardStatus
    message: str = ""
    forward: ForwardStatus | None = None
    connection: ConnectionInfo | None = None  # type connection: the one that was lost
    #: Type traffic: of each forward for which it changed since the event before of this type; `seq` is the last event's.
    traffic: list[ForwardTraffic] | msgspec.UnsetType = msgspec.UNSET


class Candidate(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """One method as `explain` sees it: chosen, or why not."""

    method: str
    chosen: bool
    why: str


class Origin(msgspec.Struct, rename="camel", frozen=True):
    """A key of the forward's config, and what gave its value: `project kfw.yaml:12`, `flag --context`."""

    key: str
    value: str
    origin: str


class Explanation(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    forward: ForwardStatus
    candidates: list[Candidate]
    limits: list[str]  # what the chosen way cannot do, in sentences
    round_trip_ms: float | None = None
    wanted: str = ""  # who said so, in a sentence
    origins: list[Origin] = []  # in the order of the config; without what kfw's own defaults say


class ErrorReply(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    what: str
    fix: str = ""
    reason: Reason = Reason.INTERNAL
    exit_code: int = 1


class StartRequest(WithEnviron, rename="camel", frozen=True, kw_only=True):
    """One forward, for a screen on which somebody waits for it."""

    target: str  # "service/api"
    namespace: str = ""  # "": that of the context
    context: str = ""  # "": the current one
    kubeconfig: str | None = None  # as $KUBECONFIG; None: that of `environ`
    name: str = ""  # "": made from the target's, and unique
    target_port: int | str | None = None  # None: the only one
    local_port: int = 0  # 0: any free one
    #: Seconds until it must be active, else it is removed again and the answer says why; 0 does not wait.
    wait: float = 30.0


class ClusterCount(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """A context of the kubeconfig, or of a forward."""

    context: str
    namespace: str = ""  # where its forwards go when they name none
    current: bool = False
    forwards: int = 0  # that are up or want to be
    by_status: dict[str, int] = {}  # also those that are stopped


class ClustersReply(msgspec.Struct, rename="camel", frozen=True):
    clusters: list[ClusterCount]


class TargetsRequest(WithEnviron, rename="camel", frozen=True, kw_only=True):
    context: str = ""  # "": the current one
    kubeconfig: str | None = None  # as $KUBECONFIG
    namespace: str = ""  # "": that of the context
    word: str = ""  # a part of kind/name


class PortsRequest(WithEnviron, rename="camel", frozen=True, kw_only=True):
    target: str  # "service/api"
    context: str = ""
    kubeconfig: str | None = None
    namespace: str = ""


class TargetPort(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """`container` is that of a pod's port; a service's has none. Only TCP can be forwarded."""

    number: int
    name: str = ""
    protocol: str = "TCP"
    container: str = ""
    node_port: int = 0  # 0: there is none
    usual_local_port: int  # the same number, or 8000 more for one below 1024


class PortsReply(msgspec.Struct, rename="camel", frozen=True):
    ports: list[TargetPort]


class FoundTarget(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """`ready` of `pods`: None where they cannot be known. `may_forward` None: the API server does not say."""

    target: str
    ready: int | None = None
    pods: int | None = None
    may_forward: bool | None = None


class TargetsReply(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    context: str
    namespace: str
    namespaces: list[str]  # all of the cluster; [] where the user may not list them
    targets: list[FoundTarget]
    denied: str = ""  # kinds that the user may not list, in words


class LocalPort(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    port: int
    free: bool
    why: str = ""  # who has it, in a sentence
    forward: str | None = None  # that has it, or wants it
    nearby: int | None = None  # a free one, where this is not


class LogReply(msgspec.Struct, rename="camel", frozen=True):
    lines: list[str]  # the oldest first


class WebRequest(WithEnviron, rename="camel", frozen=True, kw_only=True):
    """`environ` and `kubeconfig` are for what is started on the page."""

    port: int | None = None  # None: the usual one, or one nearby
    kubeconfig: str | None = None


class WebReply(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    address: str  # address:port
    url: str  # with a token that logs one browser in, once
