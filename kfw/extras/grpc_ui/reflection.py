"""What a gRPC server offers: asked by its reflection, or read from files, as a pool of descriptors.

The protocol: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. v1 and v1alpha have the same messages.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import (  # noqa: F401  # who is imported is in the default pool, for servers that leave them out
    any_pb2,
    api_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)

from kfw.errors import KfwError, ToolMissing, words_of
from kfw.system.files import read_bounded
from kfw.system.tools import which

VERSIONS = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
#: Seconds for all that is asked of a server, and for protoc.
LIMIT, COMPILE = 20.0, 30.0
#: Files that a server may have, bytes of one that is read.
MOST_FILES, LARGEST = 4000, 16 * 1024 * 1024
NO_REFLECTION = (
    "the server has no reflection, so it does not say which methods it has",
    "turn on reflection in the server, or name its .proto files in protoFiles of the config",
)

_Field = descriptor_pb2.FieldDescriptorProto
#: Of reflection.proto: what is used of each message: number, name, type, and whether there are many.
_MESSAGES: dict[str, tuple[tuple[int, str, Any, bool], ...]] = {
    "Request": (
        (3, "file_by_filename", _Field.TYPE_STRING, False),
        (4, "file_containing_symbol", _Field.TYPE_STRING, False),
        (7, "list_services", _Field.TYPE_STRING, False),
    ),
    "Files": ((1, "file_descriptor_proto", _Field.TYPE_BYTES, True),),
    "Service": ((1, "name", _Field.TYPE_STRING, False),),
    "Services": ((1, "service", ".kfw.Service", True),),
    "Failure": (
        (1, "error_code", _Field.TYPE_INT32, False),
        (2, "error_message", _Field.TYPE_STRING, False),
    ),
    "Answer": (
        (4, "files", ".kfw.Files", False),
        (6, "services", ".kfw.Services", False),
        (7, "failure", ".kfw.Failure", False),
    ),
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="kfw.proto", package="kfw", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind, many in fields:
            label = _Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL
            added = message.field.add(number=number, name=field, label=label)
            if isinstance(kind, str):
                added.type, added.type_name = _Field.TYPE_MESSAGE, kind
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"kfw.{name}")) for name in _MESSAGES
    }


_CLASSES = _classes()


class Definitions:
    """`pool` has the descriptors, `services` the full names of what can be called, in order."""

    def __init__(self, files: Iterable[Any], services: Iterable[str] | None = None) -> None:
        """`services` None: all of the files. Raises KfwError when they do not fit together."""
        self.pool = descriptor_pool.DescriptorPool()
        files = {file.name: file for file in files}
        try:
            for file in _in_order(files):
                self.pool.Add(file)
            named = services if services is not None else _services_in(files.values())
            self.services = sorted(set(named))
            self.methods = {
                f"{service}/{method.name}": method
                for service in self.services
                for method in self.pool.FindServiceByName(service).methods
            }
        except (TypeError, KeyError, ValueError) as error:
            raise KfwError(f"the descriptions of its messages do not fit together: {error}") from error

    def message(self, descriptor: Any) -> Any:
        """A new one."""
        return message_factory.GetMessageClass(descriptor)()


def _services_in(files: Iterable[Any]) -> Iterator[str]:
    for file in files:
        for service in file.service:
            yield f"{file.package}.{service.name}".lstrip(".")


def _in_order(files: dict[str, Any]) -> list[Any]:
    """What a file imports before itself; of imports that nobody has those of protobuf itself."""
    done: dict[str, Any] = {}
    stack = [(name, False) for name in sorted(files, reverse=True)]
    while stack:
        name, is_ready = stack.pop()
        if name in done:
            continue
        file = files.get(name) or _of_protobuf(name)
        if is_ready:
            done[name] = file
            continue
        stack.append((name, True))
        files.setdefault(name, file)
        stack += [(one, False) for one in file.dependency if one not in done]
        if len(stack) > MOST_FILES * 8:
            raise ValueError("its files import each other in a circle")
    return list(done.values())


def _of_protobuf(name: str) -> Any:
    """Raises KeyError."""
    found = descriptor_pb2.FileDescriptorProto()
    descriptor_pool.Default().FindFileByName(name).CopyToProto(found)
    return found


async def ask(channel: Any) -> Definitions:
    """All that the server says of itself. Raises KfwError."""
    for version in VERSIONS:
        try:
            async with asyncio.timeout(LIMIT):
                return await _ask(channel, version)
        except TimeoutError as error:
            raise KfwError(f"the server did not say within {LIMIT:g} s what it offers") from error
        except grpc.RpcError as error:
            code = error.code().name
            if code != "UNIMPLEMENTED":
                raise KfwError(f"the server cannot be asked: {code}: {error.details()}") from error
    raise KfwError(*NO_REFLECTION)


async def _ask(channel: Any, version: str) -> Definitions:
    """Each question is a call of its own, sent whole: grpc.aio makes INTERNAL of a refusal that meets a stream's write."""
    method = channel.unary_stream(
        f"/{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=_CLASSES["Answer"].FromString,
    )

    async def said(**question: str) -> Any:
        call = method(_CLASSES["Request"](**question))
        try:
            answer = await call.read()
        finally:
            call.cancel()
        if answer is grpc.aio.EOF:
            raise KfwError("the server closed the connection while kfw asked for its methods")
        return answer

    files: dict[str, Any] = {}
    asked: set[str] = set()

    def take(answer: Any) -> None:
        for data in answer.files.file_descriptor_proto:
            try:
                file = descriptor_pb2.FileDescriptorProto.FromString(data)
            except message.DecodeError as error:
                raise KfwError(
                    "the server describes its messages in bytes that are no description"
                ) from error
            files[file.name] = file
        if len(files) > MOST_FILES:
            raise KfwError(f"the server has more than {MOST_FILES} files")

    listed = await said(list_services="*")
    services = [one.name for one in listed.services.service if not one.name.startswith("grpc.reflection.")]
    for service in services:
        take(await said(file_containing_symbol=service))
    while lacking := {name for file in files.values() for name in file.dependency} - files.keys() - asked:
        for name in sorted(lacking):
            asked.add(name)
            take(await said(file_by_filename=name))  # one that it lacks, too, may be protobuf's own
    there = set(_services_in(files.values()))
    return Definitions(files.values(), [name for name in services if name in there])


def read(paths: Iterable[str]) -> Definitions:
    """Of .proto files and descriptor sets. Blocks. Raises KfwError."""
    files: list[Any] = []
    for path in paths:
        data = _compiled(Path(path)) if path.endswith(".proto") else _bytes(path)
        try:
            files += descriptor_pb2.FileDescriptorSet.FromString(data).file
        except Exception as error:  # protobuf has one of its own for each implementation
            raise KfwError(
                f"{path} is not a descriptor set", "write one with protoc --descriptor_set_out"
            ) from error
    return Definitions(files)


def _bytes(path: str) -> bytes:
    try:
        return read_bounded(path, LARGEST)
    except OSError as error:
        raise KfwError(f"cannot read {path}: {words_of(error)}", "see protoFiles in the config") from error


def _compiled(path: Path) -> bytes:
    """By protoc, or by grpcio-tools, which has it inside."""
    _bytes(str(path))
    protoc = which("protoc", _search_path())
    if protoc is None and find_spec("grpc_tools") is None:
        raise ToolMissing(
            f"{path.name} needs protoc, which is not on PATH",
            "install protoc, `pip install grpcio-tools`, or name a descriptor set instead",
        )
    command = [protoc] if protoc else [sys.executable, "-m", "grpc_tools.protoc"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        argv = [*command, f"--descriptor_set_out={out}", "--include_imports", f"-I{path.parent}", path.name]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=COMPILE, check=False, cwd="/")
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KfwError(f"cannot run protoc: {error}") from error
        if done.returncode != 0:
            raise KfwError(f"protoc cannot read {path}: {done.stderr.strip()[-500:]}")
        return _bytes(str(out))


def _search_path() -> str:
    import os

    return os.environ.get("PATH", os.defpath)
