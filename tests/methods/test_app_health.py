"""Health checks that only the app can answer: HTTP over TLS, gRPC's health protocol, and commands."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kfw.errors import KfwError, ToolMissing
from kfw.methods.probe import probe
from kfw.model import Health, Reason
from kfw.relay.dialer import RefusedByApp, TcpDialer
from kfw.system.installation import how_to_get
from tests.kube.certificates import pair, server_context
from tests.relay.world import LOCAL, Refusing, app
from tests.stream_server import streams
from tests.until import until

pytestmark = pytest.mark.asyncio

GRPC = Health("grpc", timeout=5)
TLS = Health("http", timeout=5, tls=True, path="/up")


def command(script: str, *more: str, timeout: float = 10) -> Health:
    return Health("exec", timeout=timeout, command=(sys.executable, "-c", script, *more))


CONNECTS = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); "


async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await reader.read()


async def error_of(health: Health, *, environ: dict[str, str] | None = None) -> KfwError | None:
    async with app(greets) as far:
        try:
            await probe(far.dialer.dial, health, environ)
        except KfwError as error:
            return error
    return None


# -- exec


async def test_FR_CONN_06_a_command_reaches_the_app_by_its_port_and_is_good_when_it_ends_with_0() -> None:
    assert await error_of(command(CONNECTS + "sys.exit(s.recv(5) != b'hello')", "{port}")) is None
    by_name = CONNECTS.replace("sys.argv[1]", "__import__('os').environ['KFW_PORT']")
    assert await error_of(command(by_name + "sys.exit(s.recv(5) != b'hello')")) is None


async def test_a_command_that_ends_otherwise_is_told_with_its_last_line() -> None:
    error = await error_of(
        command("import sys; print('one'); print('no reply', file=sys.stderr); sys.exit(2)")
    )
    assert error is not None
    assert error.what == f"{sys.executable} ended with code 2: no reply"
    assert error.reason == Reason.UNHEALTHY


async def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        "import os, subprocess, sys, time; c = subprocess.Popen(['sleep', '60']);"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {c.pid}'); time.sleep(60)"
    )
    error = await error_of(command(script, str(pids), timeout=3))
    assert error is not None
    assert error.what == "no answer within 3 s"
    for pid in map(int, pids.read_text().split()):
        await until(lambda pid=pid: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_command_that_writes_without_end_is_ended() -> None:
    error = await error_of(command("while True: print('x' * 10000)"))
    assert error is not None
    assert error.what.endswith("was ended: it wrote more than 1 MB")


@pytest.mark.parametrize("raw", [b"\xff\xfe bad", b"\x1b[31mred\x1b[0m", b"a" * 5000, b"\0nul", b""])
async def test_what_a_command_says_is_shown_short_and_without_control_characters(raw: bytes) -> None:
    error = await error_of(command(f"import os; os.write(1, {raw!r}); raise SystemExit(3)"))
    assert error is not None
    assert error.what.isprintable()
    assert len(error.what) < len(sys.executable) + 250


async def test_a_command_that_is_not_there_is_a_missing_tool_and_is_looked_for_on_the_callers_path(
    tmp_path: Path,
) -> None:
    own = tmp_path / "only-mine"
    own.write_text("#!/bin/sh\nexit 0\n")
    own.chmod(0o700)
    health = Health("exec", timeout=10, command=("only-mine",))
    missing = await error_of(health)
    assert isinstance(missing, ToolMissing)
    assert await error_of(health, environ={**os.environ, "PATH": f"{tmp_path}:/bin:/usr/bin"}) is None


async def test_that_nothing_listens_is_said_rather_than_what_the_command_makes_of_it() -> None:
    with pytest.raises(KfwError) as raised:
        await probe(
            Refusing(1, why="connection refused").dial,
            command(CONNECTS + "sys.exit(not s.recv(1))", "{port}"),
        )
    assert raised.value.what == "connection refused"


class RefusedLater(asyncio.Transport):
    """As a tunnel's: it stands at first, and ends when every pod has refused."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return True

    def close(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def refused_later(factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
    protocol, transport = factory(), RefusedLater()
    protocol.connection_made(transport)
    refused = RefusedByApp("nothing listens on port 80 in pod web-1")
    asyncio.get_running_loop().call_later(0.05, protocol.connection_lost, refused)
    return transport


async def test_that_every_pod_refuses_is_said_as_that_also_when_it_shows_only_later() -> None:
    with pytest.raises(KfwError) as raised:
        await probe(refused_later, command(CONNECTS + "sys.exit(not s.recv(1))", "{port}"))
    assert raised.value.what == "nothing listens on port 80 in pod web-1"
    assert raised.value.reason == Reason.APP_REFUSES


# -- grpc


@asynccontextmanager
async def health_service(answer: Callable[[bytes, Any], bytes] | None) -> AsyncIterator[TcpDialer]:
    """A gRPC server whose Check gives these bytes; None: it serves something else."""
    grpc = pytest.importorskip("grpc")
    from grpc import aio

    async def check(request: bytes, context: Any) -> bytes:
        assert answer is not None
        found = answer(request, context)
        if not found and request.endswith(b"unknown"):
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return found

    server = aio.server()
    name = "grpc.health.v1.Health" if answer else "shop.Cart"
    methods = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    port = server.add_insecure_port(f"{LOCAL}:0")
    await server.start()
    try:
        yield TcpDialer(LOCAL, port)
    finally:
        await server.stop(None)


SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


@pytest.mark.parametrize("service", ["", "shop.Cart", "s" * 200])
async def test_FR_CONN_06_grpc_that_is_serving_is_healthy_and_is_asked_for_the_service(service: str) -> None:
    asked: list[bytes] = []

    def serves(request: bytes, _: Any) -> bytes:
        asked.append(request)
        return SERVING

    async with health_service(serves) as dialer:
        await probe(dialer.dial, replace(GRPC, service=service))
    size = bytes([200, 1]) if len(service) == 200 else bytes([len(service)])
    assert asked == [b"\x0a" + size + service.encode() if service else b""]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NOT_SERVING, "gRPC's health check says NOT_SERVING"),
        (b"\x08\x00", "gRPC's health check says UNKNOWN"),
        (b"\x08\x03", "gRPC's health check says SERVICE_UNKNOWN"),
        (b"", "gRPC's health check says UNKNOWN"),
        (b"\x12\x00", "gRPC's health check says UNKNOWN"),
    ],
)
async def test_grpc_that_is_not_serving_says_so(answer: bytes, said: str) -> None:
    async with health_service(lambda *_: answer) as dialer:
        with pytest.raises(KfwError) as raised:
            await probe(dialer.dial, GRPC)
    assert (raised.value.what, raised.value.reason) == (said, Reason.UNHEALTHY)


async def test_grpc_without_the_health_service_and_without_the_service_asked_for_are_told_apart() -> None:
    async with health_service(None) as dialer:
        with pytest.raises(KfwError, match=r"it does not serve grpc.health.v1.Health"):
            await probe(dialer.dial, GRPC)
    async with health_service(lambda *_: b"") as dialer:
        with pytest.raises(KfwError, match="does not know the service of unknown"):
            await probe(dialer.dial, replace(GRPC, service="unknown"))


async def test_what_does_not_speak_grpc_is_not_healthy() -> None:
    error = await error_of(GRPC)
    assert error is not None
    assert error.reason == Reason.UNHEALTHY


async def test_without_grpcio_the_check_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    error = await error_of(GRPC)
    assert isinstance(error, ToolMissing)
    assert error.fix == how_to_get("grpc")


# -- http over TLS


@asynccontextmanager
async def secure_app(status: bytes) -> AsyncIterator[TcpDialer]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"GET /up HTTP/1.1\r\n")
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        writer.close()

    async with streams(answer, LOCAL, tls=server_context(pair("app", "shop.example"))) as server:
        yield TcpDialer(LOCAL, server.port)


async def test_http_over_tls_takes_any_certificate_and_looks_at_the_status() -> None:
    async with secure_app(b"200 OK") as dialer:
        await probe(dialer.dial, TLS)
    async with secure_app(b"503 no") as dialer:
        with pytest.raises(KfwError, match="answered GET /up with 503, good are 2xx, 3xx"):
            await probe(dialer.dial, TLS)


async def test_what_does_not_speak_tls_is_not_healthy() -> None:
    error = await error_of(TLS)
    assert error is not None
    assert error.what.startswith("cannot speak TLS with it: ")
    assert error.reason == Reason.UNHEALTHY


@pytest.mark.parametrize("health", [GRPC, TLS, command("import time; time.sleep(60)")], ids=lambda h: h.type)
async def test_a_far_side_that_says_nothing_is_given_up_after_the_timeout(health: Health) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    began = time.monotonic()
    async with app(silent) as far:
        with pytest.raises(KfwError, match=r"no answer within 1\.5 s"):
            await probe(far.dialer.dial, replace(health, timeout=1.5))
    assert time.monotonic() - began < 10
