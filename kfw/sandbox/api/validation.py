"""What the API server refuses, for the served kinds: the mistakes that people make. Pure; raises ApiError 422."""

import re
from collections.abc import Callable
from typing import Any

from kfw.sandbox.api import kinds
from kfw.sandbox.api.errors import invalid
from kfw.sandbox.api.selectors import by_label_selector
from kfw.sandbox.objects import Object, name_of

NODE_PORTS = range(30000, 32768)
_DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_DNS_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
_PERCENTAGE = re.compile(r"^[0-9]+%$")
_LABEL_KINDS = (kinds.SERVICES, kinds.NAMESPACES)

_BAD_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_BAD_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)


def check(resource: kinds.Resource, thing: Object, before: Object | None = None) -> None:
    """`before` is what `thing` replaces, for what may not change."""
    name = name_of(thing)
    pattern, why = (_DNS_LABEL, _BAD_LABEL) if resource in _LABEL_KINDS else (_DNS_SUBDOMAIN, _BAD_SUBDOMAIN)
    if not pattern.match(name):
        raise invalid(resource, name, "metadata.name", f'Invalid value: "{name}": {why}')
    for field in ("labels", "annotations"):
        _check_texts(resource, name, f"metadata.{field}", thing["metadata"].get(field))
    if special := _BY_KIND.get(resource):
        special(resource, thing)
    if before is not None:
        _check_unchanged(resource, thing, before)


def _check_texts(resource: kinds.Resource, name: str, field: str, texts: Any) -> None:
    if texts is not None and not (
        isinstance(texts, dict) and all(isinstance(one, str) for one in texts.values())
    ):
        raise invalid(resource, name, field, f"Invalid value: {texts!r}: must be a map of strings")


def _check_unchanged(resource: kinds.Resource, thing: Object, before: Object) -> None:
    selector = before.get("spec", {}).get("selector")
    if resource.group == "apps" and selector and thing["spec"].get("selector") != selector:
        raise invalid(resource, name_of(thing), "spec.selector", "Invalid value: field is immutable")
    if resource is kinds.PODS:
        images = [one.get("image") for one in thing["spec"]["containers"]]
        same = {**before["spec"], "containers": None} == {**thing["spec"], "containers": None}
        if not same or len(images) != len(before["spec"]["containers"]):
            why = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
            raise invalid(resource, name_of(thing), "spec", why, "FieldValueForbidden")


def _check_workload(resource: kinds.Resource, thing: Object) -> None:
    spec, name = thing["spec"], name_of(thing)
    if not spec.get("selector"):
        raise invalid(resource, name, "spec.selector", "Required value", "FieldValueRequired")
    template = {"metadata": spec["template"]["metadata"]}
    if not by_label_selector(spec["selector"])(template):
        why = "Invalid value: `selector` does not match template `labels`"
        raise invalid(resource, name, "spec.template.metadata.labels", why)
    replicas = spec.get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid(resource, name, "spec.replicas", why)
    for field, value in ((spec.get("strategy") or {}).get("rollingUpdate") or {}).items():
        if not isinstance(value, int) and not _PERCENTAGE.match(str(value)):
            why = f"Invalid value: \"{value}\": a valid percent string must be a numeric string followed by an ending '%'"
            raise invalid(resource, name, f"spec.strategy.rollingUpdate.{field}", why)
    _check_containers(resource, name, spec["template"]["spec"], "spec.template.spec")


def _check_pod(resource: kinds.Resource, pod: Object) -> None:
    _check_containers(resource, name_of(pod), pod["spec"], "spec")


def _check_containers(resource: kinds.Resource, name: str, spec: Object, where: str) -> None:
    if not spec["containers"]:
        raise invalid(resource, name, f"{where}.containers", "Required value", "FieldValueRequired")
    for place, container in enumerate(spec["containers"]):
        field = f"{where}.containers[{place}]"
        for key in ("name", "image"):
            if not container.get(key):
                raise invalid(resource, name, f"{field}.{key}", "Required value", "FieldValueRequired")
        for number, port in enumerate(container.get("ports") or []):
            _check_port(resource, name, f"{field}.ports[{number}].containerPort", port.get("containerPort"))


def _check_port(resource: kinds.Resource, name: str, field: str, port: Any) -> None:
    if not isinstance(port, int) or not 0 < port < 65536:
        raise invalid(resource, name, field, f"Invalid value: {port}: must be between 1 and 65535, inclusive")


def _check_service(resource: kinds.Resource, service: Object) -> None:
    spec, name = service["spec"], name_of(service)
    ports = spec["ports"]
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        raise invalid(resource, name, "spec.ports", "Required value", "FieldValueRequired")
    for place, port in enumerate(ports):
        field = f"spec.ports[{place}]"
        _check_port(resource, name, f"{field}.port", port.get("port"))
        if len(ports) > 1 and not port.get("name"):
            raise invalid(resource, name, f"{field}.name", "Required value", "FieldValueRequired")
        node_port = port.get("nodePort")
        if node_port and node_port not in NODE_PORTS:
            why = f"Invalid value: {node_port}: provided port is not in the valid range. "
            raise invalid(
                resource, name, f"{field}.nodePort", f"{why}The range of valid ports is 30000-32767"
            )


_BY_KIND: dict[kinds.Resource, Callable[[kinds.Resource, Object], None]] = {
    kinds.PODS: _check_pod,
    kinds.SERVICES: _check_service,
    kinds.DEPLOYMENTS: _check_workload,
    kinds.REPLICASETS: _check_workload,
    kinds.STATEFULSETS: _check_workload,
    kinds.DAEMONSETS: _check_workload,
}
