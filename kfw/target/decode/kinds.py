"""Which shape reads which kind of object: the one list."""

from collections.abc import Mapping
from typing import Any

from kfw.choices import KINDS
from kfw.kube.decoder import Decoder
from kfw.kube.resource import ENDPOINTSLICES, NODES, OF_KIND, PODS, SERVICES, Resource
from kfw.target.decode.pod import Pod
from kfw.target.decode.service import EndpointSlice, Service
from kfw.target.decode.workload import Node, Workload

SHAPES: Mapping[Resource, type[Any]] = {
    SERVICES: Service,
    ENDPOINTSLICES: EndpointSlice,
    PODS: Pod,
    NODES: Node,
    **{OF_KIND[name]: Workload for name, one in KINDS.items() if one.group == "apps"},
}


def decoder(resource: Resource) -> Decoder:
    return Decoder(SHAPES[resource])
