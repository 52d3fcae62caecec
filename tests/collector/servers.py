"""The services that a collector asks, as kportforward's are: one that lists workspaces by HTTP, three of gRPC."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection

from tests.kube.certificates import Pair, server_context

#: File -> what it imports, and message -> fields; a field is its name and a scalar or a message.
_COMMON = ("common.proto", {"Page": {"page_size": "int32"}, "Paging": {"total_count": "int64"}})
_IDS = {"tenant_id": "string", "environment_id": "string"}
_FILES: dict[str, tuple[str, dict[str, dict[str, str]], str, str, str]] = {
    "inventory.proto": (
        "Metadata",
        {"GetMetadataRequest": _IDS, "Counts": {"component_count": "int32", "relationship_count": "int32"}},
        "GetMetadata",
        "GetMetadataRequest",
        "Counts",
    ),
    "recommendations.proto": (
        "Recommendations",
        {"ListRequest": {**_IDS, "pagination": ".acme.Page"}, "Listed": {"pagination": ".acme.Paging"}},
        "ListRecommendations",
        "ListRequest",
        "Listed",
    ),
    "requirements.proto": (
        "Requirements",
        {
            "AvailableRequest": {"tenant_id": "string", "workspace_id": "string", "pagination": ".acme.Page"},
            "Available": {"pagination": ".acme.Paging"},
        },
        "ListRequirementsAvailable",
        "AvailableRequest",
        "Available",
    ),
}


@dataclass
class Catalog:
    """What the services know, and how they behave. `figures` by (tenant, workspace): components, relationships,
    recommendations, requirements."""

    workspaces: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    figures: dict[tuple[str, str], tuple[int, int, int, int]] = field(default_factory=dict)
    #: Names of methods that fail, and tenants whose workspaces cannot be listed.
    broken: set[str] = field(default_factory=set)
    #: Called with (method, workspace) before each answer.
    before: Callable[[str, str], object] = lambda method, workspace: None
    asked: Counter[str] = field(default_factory=Counter)
    #: The address of this machine that they are served on, and their ports.
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=dict)
    #: Served over TLS with this; and the header, with its value, that every question must have.
    tls: Pair | None = None
    login: tuple[str, str] | None = None

    def add(self, tenant: str, workspace: str, name: str, *figures: int) -> None:
        self.workspaces.setdefault(tenant, []).append((workspace, name))
        one, two, three, four = figures
        self.figures[tenant, workspace] = (one, two, three, four)

    def addresses(self) -> dict[str, Any]:
        """`services:` of a config that asks them directly."""
        hosts = {name: {"host": f"localhost:{self.ports[name]}"} for name in SERVICES}
        return {"environment": {"url": f"http://localhost:{self.ports['environment']}"}, **hosts}


SERVICES = {
    "architectureInventory": "inventory.proto",
    "recommendations": "recommendations.proto",
    "requirements": "requirements.proto",
}


@contextmanager
def serving(catalog: Catalog) -> Iterator[Catalog]:
    """All four, on ports of their own."""
    with ExitStack() as stack:
        catalog.ports["environment"] = stack.enter_context(_http(catalog))
        for name, file in SERVICES.items():
            catalog.ports[name] = stack.enter_context(_grpc(catalog, file))
        yield catalog


@contextmanager
def _http(catalog: Catalog) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tenant = self.path.rpartition("/")[2]
            catalog.asked[self.path] += 1
            status = 500 if tenant in catalog.broken else 200
            if catalog.login and self.headers.get(catalog.login[0]) != catalog.login[1]:
                status = 401
            found = [
                {"id": key, "name": name, "tenantId": tenant}
                for key, name in catalog.workspaces.get(tenant, [])
            ]
            body = json.dumps(found if status == 200 else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((catalog.host, 0), Handler)
    if catalog.tls:
        context = server_context(catalog.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _grpc(catalog: Catalog, file: str) -> Iterator[int]:
    service, _, method, takes, gives = _FILES[file]
    pool = proto_pool()
    request, response = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"acme.{name}")) for name in (takes, gives)
    )

    def answer(message: Any, context: grpc.ServicerContext) -> Any:
        workspace = getattr(
            message, "workspace_id" if method == "ListRequirementsAvailable" else "environment_id"
        )
        catalog.asked[method] += 1
        catalog.before(method, workspace)
        if method in catalog.broken:
            context.abort(grpc.StatusCode.INTERNAL, "the database is away")
        one, two, three, four = catalog.figures[message.tenant_id, workspace]
        if method == "GetMetadata":
            return response(component_count=one, relationship_count=two)
        assert message.pagination.page_size == 1
        return response(pagination={"total_count": three if method == "ListRecommendations" else four})

    handler = grpc.unary_unary_rpc_method_handler(answer, request.FromString, response.SerializeToString)
    server = grpc.server(ThreadPoolExecutor(16), interceptors=(_Guard(catalog),))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(f"acme.{service}", {method: handler}),)
    )
    reflection.enable_server_reflection((f"acme.{service}", reflection.SERVICE_NAME), server, pool=pool)
    if catalog.tls:
        credentials = grpc.ssl_server_credentials([(catalog.tls.key, catalog.tls.certificate)])
        port = server.add_secure_port(f"{catalog.host}:0", credentials)
    else:
        port = server.add_insecure_port(f"{catalog.host}:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


class _Guard(grpc.ServerInterceptor):  # type: ignore[misc]
    """Refuses who does not log in, also to reflection."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def intercept_service(self, go_on: Callable[[Any], Any], details: Any) -> Any:
        login = self._catalog.login
        found = go_on(details)
        if login is None or login in [(name, value) for name, value in details.invocation_metadata]:
            return found

        def refuse(_: Any, context: grpc.ServicerContext) -> Any:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

        streams = found is not None and found.request_streaming
        return (grpc.stream_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler)(
            refuse
        )


@cache
def proto_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file(_COMMON[0], _COMMON[1]))
    for name, (service, messages, method, takes, gives) in _FILES.items():
        file = _file(name, messages)
        file.dependency.append("common.proto")
        file.service.add(name=service).method.add(
            name=method, input_type=f".acme.{takes}", output_type=f".acme.{gives}"
        )
        pool.Add(file)
    return pool


def _file(name: str, messages: dict[str, dict[str, str]]) -> descriptor_pb2.FileDescriptorProto:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=name, package="acme", syntax="proto3")
    for message, fields in messages.items():
        made = file.message_type.add(name=message)
        for number, (key, kind) in enumerate(fields.items(), 1):
            one = made.field.add(name=key, number=number, label=kinds.LABEL_OPTIONAL)
            if kind.startswith("."):
                one.type, one.type_name = kinds.TYPE_MESSAGE, kind
            else:
                one.type = getattr(kinds, f"TYPE_{kind.upper()}")
    return file
