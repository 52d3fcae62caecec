"""What a gRPC server offers, asked of a real one and read from files."""

import asyncio
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from kfw.errors import KfwError
from kfw.extras.grpc_ui import reflection
from kfw.extras.grpc_ui.message_template import MOST, template
from kfw.wire.grpc_reflection import VERSIONS, Answer, Definitions, Request
from tests.extras.grpc_server import FILES, SERVICE, cart_server, descriptor_set

METHODS = ["Add", "Echo", "Refuse", "Sum", "Watch"]


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with cart_server() as (port, _):
        yield port


def asked(port: int) -> Definitions:
    async def ask() -> Definitions:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            return await reflection.ask(channel)

    return asyncio.run(ask())


def test_a_server_with_reflection_names_its_services_and_methods(server: int) -> None:
    found = asked(server)
    assert found.services == [SERVICE]
    assert sorted(found.methods) == [f"{SERVICE}/{name}" for name in METHODS]
    assert found.methods[f"{SERVICE}/Watch"].server_streaming
    assert found.methods[f"{SERVICE}/Sum"].client_streaming


def test_v1_alone_is_asked_in_its_own_words(server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server has one of them: the next version is asked when one is not there."""
    monkeypatch.setattr(reflection, "VERSIONS", ("no.such.version", *reflection.VERSIONS))
    assert asked(server).services == [SERVICE]


def test_a_server_without_reflection_is_told_with_what_to_do() -> None:
    with cart_server(with_reflection=False) as (port, _), pytest.raises(KfwError) as told:
        asked(port)
    assert "has no reflection" in told.value.what
    assert "protoFiles" in told.value.fix


def test_nobody_at_the_address_is_told_in_grpcs_words() -> None:
    with cart_server() as (port, _):
        pass
    with pytest.raises(KfwError, match="UNAVAILABLE"):
        asked(port)


def test_a_descriptor_set_says_the_same_as_reflection(server: int, tmp_path: Path) -> None:
    file = tmp_path / "cart.binpb"
    file.write_bytes(descriptor_set())
    read = reflection.read([str(file)])
    found = asked(server)
    assert read.services == found.services
    assert list(read.methods) == list(found.methods)


def test_what_a_set_leaves_out_of_protobufs_own_files_is_known(tmp_path: Path) -> None:
    found = Definitions(FILES[1:])
    assert found.services == [SERVICE]


@pytest.mark.parametrize("data", [b"no set", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\x08"])
def test_a_file_that_is_no_descriptor_set_is_named(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "other.bin"
    file.write_bytes(data)
    with pytest.raises(KfwError, match=r"other\.bin is not a descriptor set"):
        reflection.read([str(file)])


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(KfwError, match=r"cannot read /nowhere/cart\.proto"):
        reflection.read(["/nowhere/cart.proto"])


def test_files_that_do_not_fit_together_are_told() -> None:
    with pytest.raises(KfwError, match="do not fit together"):
        Definitions(FILES[2:])


def test_a_proto_file_needs_protoc_and_says_so_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cart.proto"
    file.write_text('syntax = "proto3"; package a; message M {} service S { rpc Do (M) returns (M); }')
    if shutil.which("protoc"):
        assert reflection.read([str(file)]).services == ["a.S"]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(reflection, "find_spec", lambda _: None)
    with pytest.raises(KfwError, match="needs protoc"):
        reflection.read([str(file)])


def test_a_stub_protoc_is_run_beside_the_file_and_its_words_are_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cart.proto"
    file.write_text("syntax = ...")
    stub = tmp_path / "protoc"
    stub.write_text(
        f'#!/bin/sh\nfor word; do echo "$word"; done >{tmp_path}/said\necho "cart.proto:1: no" >&2\nexit 1\n'
    )
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(KfwError, match=r"protoc cannot read .*no"):
        reflection.read([str(file)])
    said = (tmp_path / "said").read_text().splitlines()
    assert said[1:] == ["--include_imports", f"-I{tmp_path}", "cart.proto"]


def test_a_template_has_a_right_value_of_each_type_and_one_of_each_choice(server: int) -> None:
    method = asked(server).methods[f"{SERVICE}/Add"]
    assert template(method.input_type) == {
        "name": "",
        "count": "0",
        "labels": {"key": ""},
        "createdAt": "1970-01-01T00:00:00Z",
        "kind": "UNKNOWN",
        "euros": 0.0,
        "parts": [],  # it would come back to itself
        "picture": "",
    }


def test_a_template_of_a_message_without_end_has_an_end() -> None:
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="wide.proto", package="wide", syntax="proto3")
    kinds = 20
    for number in range(kinds):
        message = file.message_type.add(name=f"M{number}")
        for other in range(kinds):
            field = message.field.add(number=other + 1, name=f"f{other}", type=11, label=1)
            field.type_name = f".wide.M{other}"
    found = Definitions([file])
    filled = template(found.pool.FindMessageTypeByName("wide.M0"))
    assert _count(filled) <= MOST


def _count(value: Any) -> int:
    return sum(1 + _count(one) for one in value.values()) if isinstance(value, dict) else 0


@pytest.mark.parametrize("described", [b"\xff\xff", b"\n\x02x", b"\n\x01x\x1a\x01x", b""])
def test_a_server_that_describes_itself_wrongly_is_told(described: bytes) -> None:
    """In bytes that are no description, by half of one, by one that needs itself, and by an empty one."""

    def answer(question: Any, _: grpc.ServicerContext) -> Iterator[Any]:
        for one in question:
            if one.list_services:
                yield Answer(services={"service": [{"name": "a.B"}]})
            else:
                yield Answer(files={"file_descriptor_proto": [described]})

    handler = grpc.stream_stream_rpc_method_handler(answer, Request.FromString, Answer.SerializeToString)
    name = f"{VERSIONS[0]}.ServerReflection"
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        if described == b"":
            assert asked(port).services == []
        else:
            with pytest.raises(KfwError, match=r"descriptions of its messages|do not fit together"):
                asked(port)
    finally:
        server.stop(0).wait()
