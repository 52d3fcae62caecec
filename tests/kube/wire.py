"""Kubernetes objects as JSON, for the fake API server."""

from typing import Any

Object = dict[str, Any]
NS = "/api/v1/namespaces/shop"
PODS = f"{NS}/pods"
SERVICES = f"{NS}/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
REPLICASETS = "/apis/apps/v1/namespaces/shop/replicasets"
NODES = "/api/v1/nodes"


def pod(name: str, *, ready: bool = True, node: str = "n1", host_ip: str = "172.18.0.3") -> Object:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {"app": "web"}},
        "spec": {"nodeName": node, "containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "hostIP": host_ip,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "app", "ready": ready, "state": {}}],
        },
    }


def service(name: str = "web", *, node_port: int = 0) -> Object:
    port = {"name": "web", "port": 80, "targetPort": "http"}
    return {
        "metadata": {"name": name},
        "spec": {
            "type": "NodePort" if node_port else "ClusterIP",
            "selector": {"app": "web"},
            "ports": [{**port, "nodePort": node_port} if node_port else port],
        },
    }


def slice_(*pods: str, service: str = "web", ready: bool = True) -> Object:
    return {
        "metadata": {"name": f"{service}-1", "labels": {"kubernetes.io/service-name": service}},
        "ports": [{"name": "web", "port": 8080}],
        "endpoints": [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": ready},
                "targetRef": {"kind": "Pod", "name": name},
                "nodeName": "n1",
            }
            for name in pods
        ],
    }


def node(name: str, address: str) -> Object:
    return {
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
