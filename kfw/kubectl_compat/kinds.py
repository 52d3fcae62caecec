"""TYPE/NAME: what kubectl can forward to, by all the names that it takes for it. Pure."""

from dataclasses import dataclass

from kfw.kube.resource import (
    DAEMONSETS,
    DEPLOYMENTS,
    NODES,
    PODS,
    REPLICASETS,
    SERVICES,
    STATEFULSETS,
    Resource,
)
from kfw.kubectl_compat.kubectl_error import KubectlError

JOBS = Resource("jobs", "batch")
REPLICATIONCONTROLLERS = Resource("replicationcontrollers")

#: Singular and short names; the plural is the resource's own.
_NAMES: dict[Resource, tuple[str, str]] = {
    PODS: ("pod", "po"),
    SERVICES: ("service", "svc"),
    DEPLOYMENTS: ("deployment", "deploy"),
    STATEFULSETS: ("statefulset", "sts"),
    DAEMONSETS: ("daemonset", "ds"),
    REPLICASETS: ("replicaset", "rs"),
    JOBS: ("job", ""),
    REPLICATIONCONTROLLERS: ("replicationcontroller", "rc"),
    Resource("configmaps"): ("configmap", "cm"),
    Resource("secrets"): ("secret", ""),
    Resource("endpoints"): ("endpoints", "ep"),
    NODES: ("node", "no"),
    Resource("namespaces", namespaced=False): ("namespace", "ns"),
    Resource("ingresses", "networking.k8s.io"): ("ingress", "ing"),
    Resource("cronjobs", "batch"): ("cronjob", "cj"),
}
#: Those that select no pods, with the Go types by which kubectl calls them.
NOT_ATTACHABLE = {
    "configmaps": "*v1.ConfigMap",
    "secrets": "*v1.Secret",
    "endpoints": "*v1.Endpoints",
    "nodes": "*v1.Node",
    "namespaces": "*v1.Namespace",
    "ingresses": "*v1.Ingress",
    "cronjobs": "*v1.CronJob",
}


@dataclass(frozen=True)
class Reference:
    """`typed` is what stood before the slash."""

    resource: Resource
    name: str
    typed: str = "pods"

    def __str__(self) -> str:
        return f"{_NAMES[self.resource][0]}/{self.name}"


def reference(text: str) -> Reference:
    """`svc/web`, `deployment.apps/web`, `deployments.v1.apps/web`; `web` alone is a pod. Raises Told."""
    if not text:
        raise KubectlError("error: resource name may not be empty")
    kind, slash, name = text.partition("/")
    if not slash:
        return Reference(PODS, text)
    if "/" in name:
        raise KubectlError("error: arguments in resource/name form may not have more than one slash")
    if not kind or not name or "," in kind:
        raise KubectlError("error: arguments in resource/name form must have a single resource and name")
    return Reference(_resource(kind), name, kind)


def _resource(text: str) -> Resource:
    """Singular and plural in upper or lower case, as kubectl does; short names as they are."""
    kind, _, group = text.partition(".")
    for resource, (singular, short) in _NAMES.items():
        known = kind.lower() in (singular, resource.name) or (short and kind == short)
        if known and _is_group(group, resource):
            return resource
    raise unknown(kind)


def unknown(kind: str) -> KubectlError:
    return KubectlError(f'error: the server doesn\'t have a resource type "{kind}"')


def _is_group(group: str, resource: Resource) -> bool:
    """Nothing, the group, or the version and the group; the core has no name."""
    return not group or (
        bool(resource.group) and group in (resource.group, f"{resource.version}.{resource.group}")
    )
