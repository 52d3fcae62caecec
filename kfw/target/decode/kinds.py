"""Which shape reads which kind of object: the one list."""

from collections.abc import Mapping
from typing import Any

from kfw.kube.decoder import Decoder
from kfw.kube.resource import (
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTSLICES,
    NODES,
    PODS,
    REPLICASETS,
    SERVICES,
    STATEFULSETS,
    Resource,
)
from kfw.target.decode.pod import Pod
from kfw.target.decode.service import EndpointSlice, Service
from kfw.target.decode.workload import Node, Workload

SHAPES: Mapping[Resource, type[Any]] = {
    SERVICES: Service,
    ENDPOINTSLICES: EndpointSlice,
    PODS: Pod,
    DEPLOYMENTS: Workload,
    REPLICASETS: Workload,
    STATEFULSETS: Workload,
    DAEMONSETS: Workload,
    NODES: Node,
}


def decoder(resource: Resource) -> Decoder:
    return Decoder(SHAPES[resource])
