"""The kinds of objects that kfw reads, as the API's paths name them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from kfw.choices import KINDS


@dataclass(frozen=True)
class Resource:
    """`group` is "" for the core."""

    name: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    def __str__(self) -> str:
        """As kubectl's errors write it: services, deployments.apps."""
        return f"{self.name}.{self.group}" if self.group else self.name

    def path(self, namespace: str) -> str:
        """Of those in one namespace, or with "" of all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        one = self.namespaced and namespace
        return f"{root}/namespaces/{namespace}/{self.name}" if one else f"{root}/{self.name}"


#: By the names of choices.KINDS.
OF_KIND: Mapping[str, Resource] = {
    name: Resource(one.plural, one.group, namespaced=one.namespaced) for name, one in KINDS.items()
}

SERVICES = OF_KIND["service"]
ENDPOINTSLICES = Resource("endpointslices", "discovery.k8s.io")
PODS = OF_KIND["pod"]
DEPLOYMENTS = OF_KIND["deployment"]
REPLICASETS = OF_KIND["replicaset"]
STATEFULSETS = OF_KIND["statefulset"]
DAEMONSETS = OF_KIND["daemonset"]
NODES = OF_KIND["node"]
