"""The kinds that the sandbox serves: one table, from which discovery and OpenAPI are made; and what a path names. Pure."""

from dataclasses import dataclass

READ_WRITE = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
REVIEW = ("create",)


@dataclass(frozen=True)
class Resource:
    """`fields` are the field selectors beyond metadata.name and metadata.namespace (as the real server has them)."""

    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    verbs: tuple[str, ...] = READ_WRITE
    #: metadata.generation counts changes of the spec
    counts_generations: bool = False

    def __str__(self) -> str:
        """`services`, `deployments.apps`: how the server names it in its messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()


def _apps(plural: str, kind: str, short: str, *subresources: str) -> Resource:
    return Resource(
        "apps",
        "v1",
        plural,
        kind,
        short=(short,),
        categories=("all",),
        subresources=subresources,
        counts_generations=True,
    )


PODS = Resource(
    "",
    "v1",
    "pods",
    "Pod",
    short=("po",),
    categories=("all",),
    subresources=("status", "log", "eviction", "portforward", "exec", "attach"),
    fields=("spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"),
)
SERVICES = Resource(
    "",
    "v1",
    "services",
    "Service",
    short=("svc",),
    categories=("all",),
    subresources=("status",),
    fields=("spec.type", "spec.clusterIP"),
)
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints", short=("ep",))
NODES = Resource(
    "",
    "v1",
    "nodes",
    "Node",
    short=("no",),
    namespaced=False,
    subresources=("status",),
    fields=("spec.unschedulable",),
)
NAMESPACES = Resource(
    "",
    "v1",
    "namespaces",
    "Namespace",
    short=("ns",),
    namespaced=False,
    subresources=("status",),
    fields=("status.phase",),
)
_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
EVENTS = Resource(
    "",
    "v1",
    "events",
    "Event",
    short=("ev",),
    fields=(
        *(f"involvedObject.{field}" for field in _INVOLVED),
        "reason",
        "type",
        "source",
        "reportingComponent",
    ),
)
CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap", short=("cm",))
SECRETS = Resource("", "v1", "secrets", "Secret", fields=("type",))
SERVICEACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", short=("sa",))
DEPLOYMENTS = _apps("deployments", "Deployment", "deploy", "status", "scale")
REPLICASETS = _apps("replicasets", "ReplicaSet", "rs", "status", "scale")
STATEFULSETS = _apps("statefulsets", "StatefulSet", "sts", "status", "scale")
DAEMONSETS = _apps("daemonsets", "DaemonSet", "ds", "status")
CONTROLLERREVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
ENDPOINTSLICES = Resource(
    "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", counts_generations=True
)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
    verbs=REVIEW,
)
RULES_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectrulesreviews",
    "SelfSubjectRulesReview",
    namespaced=False,
    verbs=REVIEW,
)
SELF_REVIEWS = Resource(
    "authentication.k8s.io",
    "v1",
    "selfsubjectreviews",
    "SelfSubjectReview",
    namespaced=False,
    verbs=REVIEW,
)

RESOURCES: tuple[Resource, ...] = (
    PODS,
    SERVICES,
    ENDPOINTS,
    NODES,
    NAMESPACES,
    EVENTS,
    CONFIGMAPS,
    SECRETS,
    SERVICEACCOUNTS,
    DEPLOYMENTS,
    REPLICASETS,
    STATEFULSETS,
    DAEMONSETS,
    CONTROLLERREVISIONS,
    ENDPOINTSLICES,
    LEASES,
    ACCESS_REVIEWS,
    RULES_REVIEWS,
    SELF_REVIEWS,
)

#: What lives in a namespace and goes with it.
NAMESPACED: tuple[Resource, ...] = tuple(kind for kind in RESOURCES if kind.namespaced)
#: Every plural is served in one group only, so it names its resource.
BY_PLURAL: dict[str, Resource] = {kind.plural: kind for kind in RESOURCES}
BY_KIND: dict[str, Resource] = {kind.kind: kind for kind in RESOURCES}


def find(group: str, version: str, plural: str) -> Resource | None:
    kind = BY_PLURAL.get(plural)
    return kind if kind and (kind.group, kind.version) == (group, version) else None


def group_versions() -> list[tuple[str, str]]:
    """Each served (group, version) once, the core group first."""
    return list(dict.fromkeys((kind.group, kind.version) for kind in RESOURCES))


@dataclass(frozen=True)
class ApiRoute:
    """`name` empty: the collection; `namespace` empty: all namespaces, or a kind without any."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def route(path: str) -> ApiRoute | None:
    """/api/v1/... and /apis/GROUP/VERSION/...; None for a path that names no kind which is served."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api", version, *rest]:
            return _within("", version, rest)
        case ["apis", group, version, *rest]:
            return _within(group, version, rest)
    return None


def _within(group: str, version: str, parts: list[str]) -> ApiRoute | None:
    match parts:
        # /namespaces/x/status is the namespace's own; every other third part is a kind in that namespace
        case ["namespaces", namespace, plural, *rest] if plural not in ("status", "finalize"):
            resource = find(group, version, plural)
            return _route(resource, namespace, rest) if resource and resource.namespaced else None
        case [plural, *rest]:
            resource = find(group, version, plural)
            if resource is None or (resource.namespaced and rest):
                return None
            return _route(resource, "", rest)
    return None


def _route(resource: Resource, namespace: str, rest: list[str]) -> ApiRoute | None:
    match rest:
        case []:
            return ApiRoute(resource, namespace)
        case [name]:
            return ApiRoute(resource, namespace, name)
        case [name, subresource] if subresource in resource.subresources:
            return ApiRoute(resource, namespace, name, subresource)
    return None


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def verb(method: str, route: ApiRoute, *, watching: bool) -> str:
    """The API's verb for an HTTP method, as access rules name it; empty for a method that has none."""
    if method in ("GET", "HEAD"):
        return "get" if route.name else "watch" if watching else "list"
    if method == "DELETE":
        return "delete" if route.name else "deletecollection"
    return _VERBS.get(method, "")
