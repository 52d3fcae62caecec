"""The field numbers of the kinds that kubectl sends in protobuf, as the `generated.proto` files of k8s.io/api have them.

Only what `kubectl create`, `auth` and `drain` can fill in; anything else is refused by name and not lost silently. Pure.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """`form`: string, int, bool, bytes (base64 in JSON), "int or string", ignored, or the fields of a message."""

    name: str
    form: "str | Message" = "string"
    is_list: bool = False
    is_map: bool = False


Message = dict[int, Field]


def _list(name: str, form: "str | Message" = "string") -> Field:
    return Field(name, form, is_list=True)


def _map(name: str, form: str = "string") -> Field:
    return Field(name, form, is_map=True)


def _int(name: str) -> Field:
    return Field(name, "int")


_METADATA: Message = {
    1: Field("name"),
    2: Field("generateName"),
    3: Field("namespace"),
    4: Field("selfLink", "ignored"),
    5: Field("uid"),
    6: Field("resourceVersion"),
    8: Field("creationTimestamp", "ignored"),
    11: _map("labels"),
    12: _map("annotations"),
}
_EXPRESSION: Message = {1: Field("key"), 2: Field("operator"), 3: _list("values")}
_SELECTOR: Message = {1: _map("matchLabels"), 2: _list("matchExpressions", _EXPRESSION)}
_CONTAINER_PORT: Message = {
    1: Field("name"),
    2: _int("hostPort"),
    3: _int("containerPort"),
    4: Field("protocol"),
    5: Field("hostIP"),
}
_CONTAINER: Message = {
    1: Field("name"),
    2: Field("image"),
    3: _list("command"),
    4: _list("args"),
    6: _list("ports", _CONTAINER_PORT),
    7: _list("env", {1: Field("name"), 2: Field("value")}),
    8: Field("resources", "ignored"),
    14: Field("imagePullPolicy"),
}
_POD_SPEC: Message = {
    2: _list("containers", _CONTAINER),
    3: Field("restartPolicy"),
    4: _int("terminationGracePeriodSeconds"),
    6: Field("dnsPolicy"),
    7: _map("nodeSelector"),
    10: Field("nodeName"),
    14: Field("securityContext", "ignored"),
}
_TEMPLATE: Message = {1: Field("metadata", _METADATA), 2: Field("spec", _POD_SPEC)}
_ROLLING: Message = {1: Field("maxUnavailable", "int or string"), 2: Field("maxSurge", "int or string")}
_DEPLOYMENT: Message = {
    1: _int("replicas"),
    2: Field("selector", _SELECTOR),
    3: Field("template", _TEMPLATE),
    4: Field("strategy", {1: Field("type"), 2: Field("rollingUpdate", _ROLLING)}),
    5: _int("minReadySeconds"),
    6: _int("revisionHistoryLimit"),
    7: Field("paused", "bool"),
    9: _int("progressDeadlineSeconds"),
}
_SERVICE_PORT: Message = {
    1: Field("name"),
    2: Field("protocol"),
    3: _int("port"),
    4: Field("targetPort", "int or string"),
    5: _int("nodePort"),
    6: Field("appProtocol"),
}
_SERVICE: Message = {
    1: _list("ports", _SERVICE_PORT),
    2: _map("selector"),
    3: Field("clusterIP"),
    4: Field("type"),
    5: _list("externalIPs"),
    7: Field("sessionAffinity"),
    10: Field("externalName"),
    11: Field("externalTrafficPolicy"),
}
_ATTRIBUTES: Message = {
    1: Field("namespace"),
    2: Field("verb"),
    3: Field("group"),
    4: Field("version"),
    5: Field("resource"),
    6: Field("subresource"),
    7: Field("name"),
}
_ACCESS: Message = {
    1: Field("resourceAttributes", _ATTRIBUTES),
    2: Field("nonResourceAttributes", {1: Field("path"), 2: Field("verb")}),
}
_PRECONDITIONS: Message = {1: Field("uid"), 2: Field("resourceVersion")}
_DELETE_OPTIONS: Message = {
    1: _int("gracePeriodSeconds"),
    2: Field("preconditions", _PRECONDITIONS),
    3: Field("orphanDependents", "bool"),
    4: Field("propagationPolicy"),
    5: _list("dryRun"),
}


def _thing(spec: Message | None = None) -> Message:
    """Metadata, spec and status, which stand at 1, 2 and 3."""
    own = {2: Field("spec", spec)} if spec else {2: Field("spec", "ignored")}
    return {1: Field("metadata", _METADATA), **own, 3: Field("status", "ignored")}


KINDS: dict[str, Message] = {
    "Deployment": _thing(_DEPLOYMENT),
    "Service": _thing(_SERVICE),
    "Pod": _thing(_POD_SPEC),
    "Namespace": _thing(),
    "ServiceAccount": {1: Field("metadata", _METADATA)},
    "ConfigMap": {1: Field("metadata", _METADATA), 2: _map("data"), 3: _map("binaryData", "bytes")},
    "Secret": {
        1: Field("metadata", _METADATA),
        2: _map("data", "bytes"),
        3: Field("type"),
        4: _map("stringData"),
    },
    "SelfSubjectAccessReview": _thing(_ACCESS),
    "SelfSubjectRulesReview": _thing({1: Field("namespace")}),
    "SelfSubjectReview": {1: Field("metadata", _METADATA), 2: Field("status", "ignored")},
    "Eviction": {1: Field("metadata", _METADATA), 2: Field("deleteOptions", _DELETE_OPTIONS)},
    "DeleteOptions": _DELETE_OPTIONS,
}
