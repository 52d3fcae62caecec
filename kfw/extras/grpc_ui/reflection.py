"""What a gRPC server offers: asked by its reflection, or read from files, as a pool of descriptors."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2

from kfw.errors import KfwError, ToolMissing, words_of
from kfw.system.files import read_bounded
from kfw.system.tools import which
from kfw.wire.grpc_reflection import (
    VERSIONS,
    Answer,
    Definitions,
    Request,
    method_of,
    questions,
    services_in,
    services_of,
)

#: Seconds for all that is asked of a server, and for protoc.
LIMIT, COMPILE = 20.0, 30.0
#: Bytes of a file that is read.
LARGEST = 16 * 1024 * 1024
NO_REFLECTION = (
    "the server has no reflection, so it does not say which methods it has",
    "turn on reflection in the server, or name its .proto files in protoFiles of the config",
)


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
        method_of(version),
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=Answer.FromString,
    )

    async def said(question: dict[str, str]) -> Any:
        call = method(Request(**question))
        try:
            answer = await call.read()
        finally:
            call.cancel()
        if answer is grpc.aio.EOF:
            raise KfwError("the server closed the connection while kfw asked for its methods")
        return answer

    services = services_of(await said({"list_services": "*"}))
    asking, answer = questions(services), None
    while True:
        try:
            question = asking.send(answer)
        except StopIteration as end:
            files = end.value
            break
        answer = await said(question)
    there = set(services_in(files))
    return Definitions(files, [name for name in services if name in there])


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
