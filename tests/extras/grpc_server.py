"""A real gRPC server with reflection, as people run them: a cart with a call of each kind. Its messages are made here."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from grpc_reflection.v1alpha import reflection

Field = descriptor_pb2.FieldDescriptorProto
SERVICE = "test.shop.Cart"


def _file() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="test/cart.proto",
        package="test.shop",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto", "test/money.proto"],
    )
    kind = file.enum_type.add(name="Kind")
    for number, name in enumerate(("UNKNOWN", "FOOD", "TOOL")):
        kind.value.add(name=name, number=number)
    item = file.message_type.add(name="Item")
    _field(item, 1, "name", Field.TYPE_STRING)
    _field(item, 2, "count", Field.TYPE_INT64)
    entry = item.nested_type.add(name="LabelsEntry")
    entry.options.map_entry = True
    _field(entry, 1, "key", Field.TYPE_STRING)
    _field(entry, 2, "value", Field.TYPE_STRING)
    _field(item, 3, "labels", ".test.shop.Item.LabelsEntry", many=True)
    _field(item, 4, "created_at", ".google.protobuf.Timestamp")
    _field(item, 5, "kind", ".test.shop.Kind", enum=True)
    item.oneof_decl.add(name="price")
    _field(item, 6, "euros", Field.TYPE_DOUBLE, one_of=0)
    _field(item, 7, "money", ".test.money.Money", one_of=0)
    _field(item, 8, "parts", ".test.shop.Item", many=True)
    _field(item, 9, "picture", Field.TYPE_BYTES)
    total = file.message_type.add(name="Total")
    _field(total, 1, "items", Field.TYPE_INT32)
    _field(total, 2, "note", Field.TYPE_STRING)
    service = file.service.add(name="Cart")
    for name, given, gets, streams in (
        ("Add", "Item", "Total", (False, False)),
        ("Echo", "Item", "Item", (False, False)),
        ("Watch", "Total", "Item", (False, True)),
        ("Sum", "Item", "Total", (True, False)),
        ("Refuse", "Item", "Total", (False, False)),
    ):
        service.method.add(
            name=name,
            input_type=f".test.shop.{given}",
            output_type=f".test.shop.{gets}",
            client_streaming=streams[0],
            server_streaming=streams[1],
        )
    return file


def _money() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="test/money.proto", package="test.money", syntax="proto3")
    money = file.message_type.add(name="Money")
    _field(money, 1, "currency", Field.TYPE_STRING)
    _field(money, 2, "cents", Field.TYPE_UINT64)
    return file


def _field(
    message: Any,
    number: int,
    name: str,
    kind: Any,
    *,
    many: bool = False,
    enum: bool = False,
    one_of: int | None = None,
) -> None:
    field = message.field.add(number=number, name=name)
    field.label = Field.LABEL_REPEATED if many else Field.LABEL_OPTIONAL
    if isinstance(kind, str):
        field.type, field.type_name = (Field.TYPE_ENUM if enum else Field.TYPE_MESSAGE), kind
    else:
        field.type = kind
    if one_of is not None:
        field.oneof_index = one_of


def _timestamp() -> Any:
    file = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(file)
    return file


#: In the order in which each can be read.
FILES = (_timestamp(), _money(), _file())


def descriptor_set() -> bytes:
    """As protoc --descriptor_set_out --include_imports writes it."""
    return bytes(descriptor_pb2.FileDescriptorSet(file=FILES).SerializeToString())


class Cart:
    """What the server does. `stopped`: calls of Watch that their client has ended."""

    def __init__(self) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        for file in FILES:
            self.pool.Add(file)
        self.item = message_factory.GetMessageClass(self.pool.FindMessageTypeByName("test.shop.Item"))
        self.total = message_factory.GetMessageClass(self.pool.FindMessageTypeByName("test.shop.Total"))
        self.stopped = threading.Semaphore(0)

    def add(self, item: Any, context: Any) -> Any:
        sent = dict(context.invocation_metadata())
        context.send_initial_metadata((("x-answer", "42"),))
        return self.total(items=int(item.count), note=f"{item.name} for {sent.get('x-user', 'nobody')}")

    def echo(self, item: Any, _: Any) -> Any:
        return item

    def watch(self, total: Any, context: Any) -> Iterator[Any]:
        """So many items; none is without end."""
        context.add_callback(self.stopped.release)
        number = 0
        while context.is_active() and (not total.items or number < total.items):
            number += 1
            yield self.item(name=f"item {number}", count=number)
            if not total.items:
                threading.Event().wait(0.01)

    def sum(self, items: Iterator[Any], _: Any) -> Any:
        return self.total(items=sum(int(item.count) for item in items))

    def refuse(self, item: Any, context: Any) -> Any:
        context.set_trailing_metadata((("x-why", "test"),))
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"there is no {item.name}")

    def handlers(self) -> Any:
        def of(kind: Any, act: Any, given: Any) -> Any:
            return kind(act, given.FromString, lambda message: message.SerializeToString())

        unary = grpc.unary_unary_rpc_method_handler
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Add": of(unary, self.add, self.item),
                "Echo": of(unary, self.echo, self.item),
                "Watch": of(grpc.unary_stream_rpc_method_handler, self.watch, self.total),
                "Sum": of(grpc.stream_unary_rpc_method_handler, self.sum, self.item),
                "Refuse": of(unary, self.refuse, self.item),
            },
        )


@contextmanager
def cart_server(*, with_reflection: bool = True, port: int = 0) -> Iterator[tuple[int, Cart]]:
    """Its port on 127.0.0.1."""
    cart = Cart()
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((cart.handlers(),))
    if with_reflection:
        reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server, pool=cart.pool)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield port, cart
    finally:
        server.stop(None).wait(10)
