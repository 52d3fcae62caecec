"""What a gRPC server says of itself: reflection's messages, the questions, and the descriptors out of the answers.

The protocol: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. v1 and v1alpha have the same messages. Its
messages are made here, so that the package of reflection need not be installed. protobuf is needed (extra `grpc`).
"""

from collections.abc import Generator, Iterable, Iterator
from typing import Any

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

from kfw.errors import KfwError

VERSIONS = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
#: Files that a server may have.
MOST_FILES = 4000


class BadDescription(KfwError):
    """What the server says of itself makes no sense."""


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
Request, Answer = _CLASSES["Request"], _CLASSES["Answer"]


def method_of(version: str) -> str:
    """The path of the call that asks."""
    return f"/{version}.ServerReflection/ServerReflectionInfo"


def services_of(listed: Any) -> list[str]:
    """Full names, of the answer to `list_services`; reflection itself is left out."""
    return [one.name for one in listed.services.service if not one.name.startswith("grpc.reflection.")]


def questions(services: Iterable[str]) -> "Generator[dict[str, str], Any, list[Any]]":
    """Yields what is asked next, and is sent the Answer: about these services, and all that their files import.

    Returns the files; those that the server does not have are left out. Raises BadDescription.
    """
    files: dict[str, Any] = {}
    asked: set[str] = set()

    def take(answer: Any) -> None:
        files.update((file.name, file) for file in _described(answer))
        if len(files) > MOST_FILES:
            raise BadDescription(f"the server has more than {MOST_FILES} files")

    for service in services:
        take((yield {"file_containing_symbol": service}))
    while lacking := {name for file in files.values() for name in file.dependency} - files.keys() - asked:
        for name in sorted(lacking):
            asked.add(name)
            take((yield {"file_by_filename": name}))  # one that it lacks, too, may be protobuf's own
    return list(files.values())


def _described(answer: Any) -> Iterator[Any]:
    for data in answer.files.file_descriptor_proto:
        try:
            yield descriptor_pb2.FileDescriptorProto.FromString(data)
        except message.DecodeError as error:
            raise BadDescription("the server's descriptions of its messages cannot be read") from error


class Definitions:
    """`pool` has the descriptors, `services` the full names of what can be called, in order."""

    def __init__(self, files: Iterable[Any], services: Iterable[str] | None = None) -> None:
        """`services` None: all of the files. Raises KfwError when they do not fit together."""
        self.pool = descriptor_pool.DescriptorPool()
        files = {file.name: file for file in files}
        try:
            for file in _in_order(files):
                self.pool.Add(file)
            named = services if services is not None else services_in(files.values())
            self.services = sorted(set(named))
            self.methods = {
                f"{service}/{method.name}": method
                for service in self.services
                for method in self.pool.FindServiceByName(service).methods
            }
        except (TypeError, KeyError, ValueError) as error:
            raise BadDescription(f"the descriptions of its messages do not fit together: {error}") from error

    def message(self, descriptor: Any) -> Any:
        """A new one."""
        return message_factory.GetMessageClass(descriptor)()


def services_in(files: Iterable[Any]) -> Iterator[str]:
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
