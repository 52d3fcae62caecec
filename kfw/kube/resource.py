"""The kinds of objects that kfw reads, as the API's paths name them. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """`group` is "" for the core."""

    name: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    def __str__(self) -> str:
        """As kubectl's errors write it: `services`, `deployments.apps`."""
        return f"{self.name}.{self.group}" if self.group else self.name

    def path(self, namespace: str) -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.name}" if self.namespaced else f"{root}/{self.name}"


SERVICES = Resource("services")
ENDPOINTSLICES = Resource("endpointslices", "discovery.k8s.io")
PODS = Resource("pods")
DEPLOYMENTS = Resource("deployments", "apps")
REPLICASETS = Resource("replicasets", "apps")
STATEFULSETS = Resource("statefulsets", "apps")
DAEMONSETS = Resource("daemonsets", "apps")
NODES = Resource("nodes", namespaced=False)
