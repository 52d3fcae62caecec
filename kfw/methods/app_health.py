"""Health checks that are more than a connection: what HTTP is asked and which answer is a good one; HTTP over TLS, gRPC's
own protocol, and a command of the user's, which all three need a port to connect to."""

import asyncio
import os
import signal
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from kfw.choices import HEALTH_TYPES
from kfw.errors import KfwError, ToolMissing, words_of
from kfw.kube.plugin_output import Output, lines_of
from kfw.model import Health, Reason
from kfw.system.open_files import is_shortage, shortage_of
from kfw.system.tools import find

LOCAL = "127.0.0.1"
#: Bytes of a command's output that are kept, from the end, and after how many it is ended.
KEPT, MOST = 4096, 1 << 20
#: Characters of its last line that are shown.
_SHOWN = 200

#: grpc.health.v1.HealthCheckResponse.status: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
_SERVING = b"\x08\x01"
_STATUSES = {
    b"": "UNKNOWN",
    b"\x08\x00": "UNKNOWN",
    b"\x08\x02": "NOT_SERVING",
    b"\x08\x03": "SERVICE_UNKNOWN",
}

Question = Callable[[int, Health, Mapping[str, str]], Awaitable[None]]


def question_of(health: Health) -> Question | None:
    """`ask(port, health, environ)` raises KfwError unless what is behind the port is well. None: a connection will do."""
    if health.type == "http" and health.tls:
        return ask_https
    return (
        {"grpc": ask_grpc, "exec": ask_command}[health.type] if HEALTH_TYPES[health.type].own_port else None
    )


async def ask_https(port: int, health: Health, _: Mapping[str, str]) -> None:
    """Any certificate will do: it was made for another name than localhost."""
    try:
        reader, writer = await asyncio.open_connection(LOCAL, port, ssl=any_certificate())
    except (OSError, ssl.SSLError) as error:
        raise _unhealthy(f"cannot speak TLS with it: {words_of(error)}") from error
    answer, ended = b"", "closed at once"
    try:
        writer.write(request_of(health))
        answer = await reader.readexactly(ENOUGH)
    except asyncio.IncompleteReadError as error:
        answer = error.partial
    except OSError as error:
        ended = words_of(error)
    finally:
        writer.transport.abort()
    if fault := fault_of(answer, ended, health):
        raise _unhealthy(fault)


def any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask_grpc(port: int, health: Health, _: Mapping[str, str]) -> None:
    """Raises ToolMissing without grpcio."""
    try:
        import grpc  # 10 MB that only this kind of check pays
        from grpc import aio
    except ImportError as error:
        from kfw.system.installation import how_to_get

        raise ToolMissing("a health check of type grpc needs grpcio", how_to_get("grpc")) from error
    asked = health.service.encode()
    request = b"\x0a" + _varint(len(asked)) + asked if asked else b""
    async with aio.insecure_channel(f"{LOCAL}:{port}", options=_OPTIONS) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer: bytes = await check(request)
        except grpc.RpcError as error:
            raise _unhealthy(_grpc_words(error, health)) from error
    if not answer.startswith(_SERVING):
        raise _unhealthy(f"gRPC's health check says {_STATUSES.get(answer[:2], 'UNKNOWN')}{_of(health)}")


#: One connection, and no proxy of the environment.
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


def _grpc_words(error: Any, health: Health) -> str:
    code = error.code().name
    if code == "UNIMPLEMENTED":
        return "it does not serve grpc.health.v1.Health"
    if code == "NOT_FOUND":
        return f"gRPC's health check does not know the service{_of(health)}"
    return f"gRPC's health check failed: {code}: {str(error.details())[:_SHOWN]}"


def _of(health: Health) -> str:
    return f" of {health.service}" if health.service else ""


def _varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


async def ask_command(port: int, health: Health, environ: Mapping[str, str]) -> None:
    """In `environ`, with KFW_PORT; its whole group is ended when its time is over. Raises Shortage, ToolMissing."""
    argv = [word.replace("{port}", str(port)) for word in health.command]
    environ = {**environ, "KFW_PORT": str(port)}
    program = find(argv[0], environ.get("PATH", os.defpath))
    with ExitStack() as stack:
        try:
            output = stack.enter_context(Output(KEPT, MOST))
            child = await _start([program, *argv[1:]], output, environ)
        except OSError as error:
            if is_shortage(error):
                raise shortage_of(f"cannot run {argv[0]}", error) from error
            raise ToolMissing(f"cannot run {argv[0]}: {words_of(error)}") from error
        code = await _finish(child, output)
        if output.too_much.done():
            raise _unhealthy(f"{argv[0]} was ended: it wrote more than {MOST >> 20} MB")
        said = next(reversed(lines_of(output.data)), "")[:_SHOWN]
    if code != 0:
        how = f"ended with code {code}" if code > 0 else f"was ended by signal {-code}"
        raise _unhealthy(f"{argv[0]} {how}{f': {said}' if said else ''}")


async def _start(argv: list[str], output: Output, environ: Mapping[str, str]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output.theirs,
            stderr=output.theirs,
            env=environ,
            start_new_session=True,
        )
    finally:
        output.given()


async def _finish(child: asyncio.subprocess.Process, output: Output) -> int:
    """Its exit code; minus the number of a signal that ended it."""
    over = asyncio.ensure_future(child.wait())
    either: list[asyncio.Future[Any]] = [over, output.too_much]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if child.returncode is None:  # else its number may be a stranger's by now
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        await asyncio.wait([over])
        output.finish(left_behind=False)
    return over.result()


def _unhealthy(what: str) -> KfwError:
    return KfwError(what, reason=Reason.UNHEALTHY)


START = b"HTTP/"
#: Bytes of an answer that are enough to judge it: `HTTP/1.1 200` (RFC 9112, 4).
ENOUGH = 12
#: Bytes of what does not speak HTTP that are shown.
_SHOWN_BYTES = 40


def request_of(health: Health) -> bytes:
    """Its headers win over ours."""
    own = {line.partition(":")[0].strip().lower() for line in health.headers}
    ours = [("Host", "localhost"), ("User-Agent", "kfw"), ("Connection", "close")]
    lines = [f"{name}: {value}" for name, value in ours if name.lower() not in own]
    text = "\r\n".join([f"GET {health.path} HTTP/1.1", *lines, *health.headers, "", ""])
    return text.encode("ascii", "replace")


def fault_of(answer: bytes, ended: str, health: Health) -> str:
    """What is wrong with its first ENOUGH bytes, "" if nothing is. `ended`: how the connection did, in words."""
    asked = f"GET {health.path}"
    if not answer:
        return f"no answer to {asked}: {ended}"
    status = answer[9:ENOUGH].decode("ascii", "replace")
    if not (answer.startswith(START) and status.isdecimal() and len(status) == 3):
        return f"answered {asked}, but not in HTTP: {answer[:_SHOWN_BYTES]!r}"
    if is_good(status, health.statuses):
        return ""
    return f"answered {asked} with {status}, good are {', '.join(health.statuses)}"


def is_good(status: str, good: tuple[str, ...]) -> bool:
    """`good` are statuses such as `204`, and classes such as `2xx`."""
    return status in good or f"{status[0]}xx" in good
