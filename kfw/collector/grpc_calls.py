"""Calls of gRPC methods that are known by name only: what they take and give is asked of the server's reflection.

grpcio and protobuf (0.1 s, 24 MB) are imported when the first server is asked.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kfw.collector.server_access import ca_certificates, login_headers
from kfw.config.collector_block import ServerAccess
from kfw.errors import KfwError, ToolMissing

#: Services that are searched for a method by its name alone, and characters of a server's words that are shown.
_MOST_SERVICES, _SHOWN = 500, 200
_PLAIN = ServerAccess()
#: What json_format raises besides its own errors.
_WRONG = (TypeError, ValueError, AttributeError, RecursionError)
#: protobuf makes the class of a message when it is first needed, and crashed as several threads did so at once (3.13).
_PROTOBUF = threading.Lock()
#: One connection, and no proxy of the environment.
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


class GrpcServer:
    """One server at `address` (host:port). Its methods may be called in several threads. Raises KfwError where a token or
    certificates that `access` names cannot be had."""

    def __init__(self, address: str, access: ServerAccess = _PLAIN) -> None:
        try:
            import grpc
            from google.protobuf import json_format  # noqa: F401  # which `call` needs
        except ImportError as error:
            raise ToolMissing("gRPC figures need grpcio and protobuf", "pip install 'kfw[grpc]'") from error
        self._grpc: Any = grpc
        self._address = address
        self._login = tuple((name, token.reveal()) for name, token in login_headers(access).items())
        self._channel = _channel(grpc, address, access)
        self._described = dict[str, Any]()  # service -> Definitions
        self._methods: dict[str, Any] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """What is being asked ends with an error."""
        self._channel.close()

    def call(self, method: str, request: Any, timeout: float) -> Any:
        """The answer as JSON, by the field names of the proto file, those of 0, too. `request`: as JSON; `timeout` (s): of
        all that is asked. Raises KfwError."""
        from google.protobuf import json_format, message, message_factory

        deadline = time.monotonic() + timeout
        with self._alone(deadline):
            found = self._method(method, deadline)
        try:
            with _PROTOBUF:
                takes, gives = map(message_factory.GetMessageClass, (found.input_type, found.output_type))
                sent = json_format.ParseDict(request, takes()).SerializeToString()
        except (json_format.ParseError, message.EncodeError, *_WRONG) as error:
            what = f"{found.full_name} does not take this request: {str(error)[:_SHOWN]}"
            raise KfwError(what, f"its fields are {', '.join(found.input_type.fields_by_name)}") from error
        ask = self._channel.unary_unary(f"/{found.containing_service.full_name}/{found.name}")
        with self._in_words(found.full_name):
            answer = ask(sent, timeout=_left(deadline), metadata=self._login)
        try:
            with _PROTOBUF:
                return json_format.MessageToDict(
                    gives.FromString(answer),
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                )
        except Exception as error:  # such as an Any of an unknown type; each kind has one of its own
            what = f"{found.full_name} at {self._address}: its answer has no form in JSON"
            raise KfwError(f"{what}: {str(error)[:_SHOWN]}") from error

    # -- which method is meant

    @contextmanager
    def _alone(self, deadline: float) -> Iterator[None]:
        """Who waits here waits for another one's questions to this server."""
        if not self._lock.acquire(timeout=_left(deadline)):
            raise ServerSilent(f"{self._address} did not say in time which methods it has")
        try:
            yield
        finally:
            self._lock.release()

    def _method(self, name: str, deadline: float) -> Any:
        """Its descriptor: of `package.Service/Method`, or of the one method that is called so."""
        if name not in self._methods:
            service, _, short = name.rpartition("/")
            found = list(self._named(short, [service] if service else self._services(deadline), deadline))
            if not found:
                where = f"{service} of " if service else ""
                raise KfwError(f"{where}{self._address} has no method {short}")
            if len(found) > 1:
                choices = ", ".join(f"{one.containing_service.full_name}/{short}" for one in found)
                raise KfwError(f"{self._address} has several methods {short}", f"name one of {choices}")
            if found[0].client_streaming or found[0].server_streaming:
                raise KfwError(f"{found[0].full_name} sends a stream of answers, but kfw needs exactly one")
            self._methods[name] = found[0]
        return self._methods[name]

    def _named(self, short: str, services: list[str], deadline: float) -> Iterator[Any]:
        for service in services:
            method = self._definitions(service, deadline).methods.get(f"{service}/{short}")
            if method is not None:
                yield method

    def _services(self, deadline: float) -> list[str]:
        from kfw.wire.grpc_reflection import services_of

        return services_of(self._reflect({"list_services": "*"}, deadline))[:_MOST_SERVICES]

    def _definitions(self, service: str, deadline: float) -> Any:
        """Of this service, and of all that its files import."""
        from kfw.wire.grpc_reflection import BadDescription, Definitions

        if service not in self._described:
            try:
                files = self._files(service, deadline)
                with _PROTOBUF:
                    self._described[service] = Definitions(files)
            except BadDescription as error:
                raise KfwError(f"{self._address}: {error.what}") from error
        return self._described[service]

    def _files(self, service: str, deadline: float) -> list[Any]:
        from kfw.wire.grpc_reflection import questions

        asking, answer = questions([service]), None
        while True:
            try:
                question = asking.send(answer)
            except StopIteration as end:
                return list(end.value)
            answer = self._reflect(question, deadline)

    def _reflect(self, question: Mapping[str, str], deadline: float) -> Any:
        from kfw.wire.grpc_reflection import VERSIONS, Request, method_of

        for version in VERSIONS:
            ask = self._channel.stream_stream(
                method_of(version),
                request_serializer=Request.SerializeToString,
                response_deserializer=_answer_of,
            )
            try:
                with self._in_words("its reflection"):
                    asked = iter([Request(**question)])
                    answer = next(ask(asked, timeout=_left(deadline), metadata=self._login))
            except StopIteration as error:
                raise KfwError(f"{self._address} does not answer to reflection") from error
            except _NotServed:
                continue
            if answer.HasField("failure") and "file_by_filename" not in question:
                said = answer.failure.error_message[:_SHOWN]
                raise KfwError(f"{self._address} does not know {next(iter(question.values()))}: {said}")
            return answer
        raise KfwError(
            f"{self._address} does not serve gRPC reflection",
            "enable it in that server: kfw has no proto files for it",
        )

    def _in_words(self, what: str) -> "_Words":
        return _Words(self._grpc.RpcError, f"{what} at {self._address}")


def _answer_of(data: bytes) -> Any:
    """Of reflection."""
    from kfw.wire.grpc_reflection import Answer

    with _PROTOBUF:
        return Answer.FromString(data)


def _left(deadline: float) -> float:
    """Seconds."""
    return max(0.0, deadline - time.monotonic())


def _channel(grpc: Any, address: str, access: ServerAccess) -> Any:
    if not access.tls:
        return grpc.insecure_channel(address, options=_OPTIONS)
    named = (("grpc.ssl_target_name_override", access.server_name),) if access.server_name else ()
    credentials = grpc.ssl_channel_credentials(root_certificates=ca_certificates(access))
    return grpc.secure_channel(address, credentials, options=(*_OPTIONS, *named))


class _NotServed(KfwError):
    """UNIMPLEMENTED."""


class ServerSilent(KfwError):
    """No answer came: the server cannot be reached, or is silent. Others of its methods will do no better."""


class _Words:
    """Makes a KfwError of grpc's own."""

    def __init__(self, kind: type[Exception], what: str) -> None:
        self._kind, self._what = kind, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: Any, traceback: object) -> None:
        if isinstance(error, self._kind):
            code = error.code().name  # type: ignore[attr-defined]
            said = str(error.details() or "")[:_SHOWN]  # type: ignore[attr-defined]
            names = {
                "UNIMPLEMENTED": _NotServed,
                "UNAVAILABLE": ServerSilent,
                "DEADLINE_EXCEEDED": ServerSilent,
            }
            raise names.get(code, KfwError)(f"{self._what}: {code}: {said}") from error
