"""The socat method with the real socat; only crashes on command are a stub's."""

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from kfw.errors import KfwError, PortInUse
from kfw.methods.base import OpenRequest
from kfw.methods.socat import Socat, SocatTunnel
from kfw.methods.socat_messages import argv, words
from kfw.model import Endpoint, Health, Reason
from kfw.system.ledger import Ledger
from kfw.system.process import Children
from kfw.system.process_identity import everybody, look
from tests.fakes import forward, node
from tests.stopwatch import Stopwatch, soon
from tests.stubs import FOREVER, Stubs, eventually

pytestmark = pytest.mark.skipif(shutil.which("socat") is None, reason="socat is not installed")

Opened = Callable[..., Awaitable[SocatTunnel]]


class Backend:
    """What stands for a node port: sends back what comes."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(Echo, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        await self._server.wait_closed()


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@pytest_asyncio.fixture
async def backend() -> AsyncIterator[Backend]:
    made = Backend()
    await made.start()
    yield made
    await made.stop()


def free_port() -> int:
    """Below the ephemeral ones: those are given to whoever connects next, between our look and our use."""
    candidates = random.sample(range(20000, 30000), 200)
    return next(port for port in candidates if free(port) and (not has_ipv6() or free(port, "::1")))


@pytest.fixture
def port() -> int:
    return free_port()


@pytest_asyncio.fixture
async def opened(children: Children, port: int) -> AsyncIterator[Opened]:
    """`await opened(node, ...)` is an open tunnel; it is closed at the end."""
    tunnels: list[SocatTunnel] = []

    async def one(*nodes: Endpoint, **changes: object) -> SocatTunnel:
        wanted = forward(**{"local_port": port, "health": Health(timeout=2.0), **changes})  # type: ignore[arg-type]
        tunnels.append(await Socat(children).open(OpenRequest(wanted, nodes)))
        return tunnels[-1]

    yield one
    for tunnel in tunnels:
        await tunnel.close()


@asynccontextmanager
async def connected(
    port: int, address: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def echoed(port: int, data: bytes = b"hello", address: str = "127.0.0.1") -> bytes:
    async with connected(port, address) as (reader, writer):
        writer.write(data)
        return await reader.readexactly(len(data))


def free(port: int, address: str = "127.0.0.1") -> bool:
    """As socat binds: with SO_REUSEADDR, for connections that have just ended."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
            sock.listen()
        except OSError:
            return False
        return True


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


# -- the command line


def test_the_command_line_is_the_seeds_with_a_big_buffer():
    assert argv("127.0.0.1", 8080, "172.18.0.3", 30080) == [
        "socat",
        "-d",
        "-b131072",
        "TCP-LISTEN:8080,bind=127.0.0.1,fork,reuseaddr",
        "TCP:172.18.0.3:30080",
    ]


def test_IPv6_addresses_get_brackets_and_a_socket_of_their_own():
    assert argv("::1", 8080, "fc00::3", 30080)[3:] == [
        "TCP6-LISTEN:8080,bind=[::1],ipv6only=1,fork,reuseaddr",
        "TCP6:[fc00::3]:30080",
    ]


def test_B21_in_a_container_it_listens_where_it_is_told_and_dials_a_name():
    assert argv("0.0.0.0", 8080, "kfw-worker", 30080)[3:] == [
        "TCP-LISTEN:8080,bind=0.0.0.0,fork,reuseaddr",
        "TCP:kfw-worker:30080",
    ]


@pytest.mark.parametrize(
    "address", ["a,exec=rm", "a:1", "", "-h", "a b", "fe80::1%eth0,x", "1.2.3.4\n", "::1,bind=x"]
)
def test_an_address_that_smuggles_options_in_is_refused(address: str):
    with pytest.raises(KfwError, match="is not an address of a node"):
        argv("127.0.0.1", 8080, address, 30080)


def test_words_are_the_last_error_without_time_and_pid():
    stderr = (
        "2026/11/21 08:23:47 socat[31004] W recvmsg(): Resource temporarily unavailable\n"
        "2026/11/21 08:23:47 socat[31004] E connect(5, AF=2 127.0.0.1:1, 16): Connection refused\n"
        "2026/11/21 08:23:49 socat[30972] W exiting on signal 15"
    )
    assert words(stderr) == "connect(5, AF=2 127.0.0.1:1, 16): Connection refused"
    assert words("odd\nlast") == "last"
    assert words("") == ""


# -- open


@pytest.mark.asyncio
async def test_bytes_go_both_ways_through_every_local_address(opened: Opened, backend: Backend, port: int):
    tunnel = await opened(node(backend.port))
    assert tunnel.addresses == (("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",))
    for address in tunnel.addresses:
        assert await echoed(port, os.urandom(300_000), address) != b""
    assert tunnel.pid
    assert tunnel.endpoint == node(backend.port)
    await tunnel.probe()


@pytest.mark.asyncio
async def test_A5_without_IPv6_it_serves_the_addresses_that_exist(
    opened: Opened, backend: Backend, port: int
):
    tunnel = await opened(node(backend.port), addresses=("127.0.0.1",))
    assert tunnel.addresses == ("127.0.0.1",)
    assert await echoed(port) == b"hello"


@pytest.mark.asyncio
async def test_B22_a_node_that_does_not_answer_is_not_chosen(opened: Opened, backend: Backend, port: int):
    nowhere = Endpoint("node", "dead", "127.0.0.1", 1)
    tunnel = await opened(nowhere, node(backend.port))
    assert tunnel.endpoint == node(backend.port)
    assert await echoed(port) == b"hello"


@pytest.mark.asyncio
async def test_without_a_node_that_answers_nothing_is_started(opened: Opened, ledger: Ledger, port: int):
    with pytest.raises(KfwError) as error:
        await opened(Endpoint("node", "dead", "127.0.0.1", 1))
    assert error.value.reason == "app-refuses"
    assert not ledger.path.exists()
    assert free(port)


@pytest.mark.asyncio
async def test_B16_a_busy_port_names_its_holder_and_the_holder_lives_on(
    opened: Opened, backend: Backend, port: int, ledger: Ledger
):
    code = f"import socket, sys; s = socket.create_server(('127.0.0.1', {port})); print('on', flush=True); sys.stdin.read()"
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=-1, stdout=-1)
    assert holder.stdout
    await holder.stdout.readline()
    try:
        with pytest.raises(
            PortInUse, match=rf"cannot listen on {port}: .*python.* .pid {holder.pid}. has it"
        ):
            await opened(node(backend.port))
        assert holder.returncode is None
        assert not ledger.path.exists()
    finally:
        holder.kill()
        await holder.communicate()


@pytest.mark.asyncio
async def test_a_port_that_is_taken_in_the_last_moment_is_in_use_too(
    opened: Opened, backend: Backend, stubs: Stubs, port: int
):
    """The stub says what socat says when it loses that race."""
    line = f"2026/11/21 08:23:47 socat[1] E bind(5, {{AF=2 127.0.0.1:{port}}}, 16): Address already in use"
    stubs.script("socat", {"err": line}, {"exit": 1})
    with pytest.raises(PortInUse, match=f"cannot listen on {port}: another program has it"):
        await opened(node(backend.port))


@pytest.mark.asyncio
async def test_another_program_that_answers_on_the_port_is_not_taken_for_ours(
    opened: Opened, backend: Backend, stubs: Stubs, port: int
):
    stubs.script("socat", {"listen": port}, {"serve": "silent"}, {"sleep": 0.1}, {"err": "gone"}, {"exit": 3})
    with pytest.raises(KfwError, match="socat exited with code 3: gone") as error:
        await opened(node(backend.port), addresses=("127.0.0.1",))
    assert error.value.reason == "child-exited"


@pytest.mark.asyncio
async def test_a_listening_socat_with_nobody_behind_it_is_not_ready(
    opened: Opened, backend: Backend, stubs: Stubs, ledger: Ledger, port: int
):
    refused = "2026/11/21 08:23:47 socat[1] E connect(5, AF=2 127.0.0.1:1, 16): Connection refused"
    stubs.script("socat", {"listen": port}, {"err": refused}, {"serve": "close"}, FOREVER)
    with pytest.raises(KfwError, match=r"closed at once; socat: connect.*Connection refused") as error:
        await opened(node(backend.port), addresses=("127.0.0.1",))
    assert error.value.reason == "unhealthy"
    assert ledger.entries() == []


@pytest.mark.asyncio
async def test_a_stop_during_the_start_leaves_nothing(
    children: Children, backend: Backend, stubs: Stubs, ledger: Ledger, port: int
):
    stubs.script("socat", FOREVER)
    way = OpenRequest(forward(local_port=port), (node(backend.port),))
    opening = asyncio.ensure_future(Socat(children).open(way))
    await eventually(lambda: stubs.calls("socat"))
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert ledger.entries() == []
    assert look(stubs.calls("socat")[0].pid) is None


def test_a_missing_socat_comes_with_its_install_line(children_of_nobody: Children, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = Socat(children_of_nobody).missing()
    assert missing
    assert missing.what == "cannot find socat on PATH"
    assert "socat" in missing.fix


@pytest.fixture
def children_of_nobody(ledger: Ledger) -> Children:
    return Children(ledger)


# -- while it is open


@pytest.mark.asyncio
async def test_B15_a_killed_socat_is_noticed_at_once_in_words(opened: Opened, backend: Backend):
    tunnel = await opened(node(backend.port))
    assert tunnel.pid
    watch = Stopwatch()
    os.kill(tunnel.pid, signal.SIGKILL)
    problem = await soon(tunnel.broken(), 10)
    assert watch.seconds() < 0.5
    assert problem.reason is Reason.CHILD_EXITED
    assert problem.message.startswith("socat was killed by SIGKILL")


@pytest.mark.asyncio
async def test_the_end_of_any_of_its_socats_breaks_it(opened: Opened, backend: Backend, ledger: Ledger):
    if not has_ipv6():
        pytest.skip("this machine has no ::1")
    tunnel = await opened(node(backend.port))
    second = ledger.entries()[1].pid
    assert second and second != tunnel.pid
    waiting = asyncio.ensure_future(tunnel.broken())
    os.kill(second, signal.SIGTERM)
    problem = await soon(waiting, 1)
    assert problem.message.startswith("socat")


@pytest.mark.asyncio
async def test_B14_a_backend_that_stops_is_seen_by_the_probe_and_so_is_its_return(
    opened: Opened, backend: Backend
):
    tunnel = await opened(node(backend.port))
    await backend.stop()
    with pytest.raises(KfwError, match=r"socat: connect.*Connection refused") as error:
        await tunnel.probe()
    assert error.value.reason == "unhealthy"
    await backend.start(backend.port)
    await tunnel.probe()


@pytest.mark.asyncio
async def test_B24_a_connection_that_the_node_refused_is_in_the_log_with_socats_time(
    opened: Opened, backend: Backend, caplog: pytest.LogCaptureFixture, port: int
):
    await opened(node(backend.port), name="db")
    await backend.stop()
    with pytest.raises(asyncio.IncompleteReadError):
        await echoed(port)
    await eventually(lambda: "Connection refused" in caplog.text)
    record = next(record for record in caplog.records if "refused" in record.message)
    assert record.name == "kfw.forward"
    assert record.levelname == "WARNING"
    assert record.message.startswith("db: socat stderr: 20")
    await backend.start(backend.port)


# -- close


@pytest.mark.asyncio
async def test_B18_close_ends_open_connections_too_and_frees_the_port(
    opened: Opened, backend: Backend, ledger: Ledger, port: int
):
    tunnel = await opened(node(backend.port))
    async with connected(port) as (reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        groups = {entry.pid for entry in ledger.entries()}
        processes = [seen.pid for seen in everybody() if seen.group in groups]
        assert len(processes) == len(groups) + 1
        await tunnel.close()
        assert [pid for pid in processes if look(pid)] == []
        assert ledger.entries() == []
        assert free(port)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
    await tunnel.close()


@pytest.mark.asyncio
async def test_connections_of_a_socat_that_was_killed_are_ended_by_close(
    opened: Opened, backend: Backend, ledger: Ledger, port: int
):
    tunnel = await opened(node(backend.port))
    async with connected(port) as (reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        first = ledger.entries()[0].pid
        os.kill(tunnel.pid or 0, signal.SIGKILL)
        await tunnel.broken()
        left = [seen.pid for seen in everybody() if seen.group == first]
        assert len(left) == 1
        await tunnel.close()
        assert look(left[0]) is None


@pytest.mark.asyncio
async def test_the_port_can_be_opened_again_at_once(opened: Opened, backend: Backend, port: int):
    for _ in range(3):
        tunnel = await opened(node(backend.port))
        assert await echoed(port) == b"hello"
        await tunnel.close()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's `socat TCP-LISTEN`."""
    listen = f"TCP-LISTEN:{free_port()},bind=127.0.0.1,fork,reuseaddr"
    line = ["socat", "-d", "-b131072", listen, "TCP:127.0.0.1:1"]
    process = subprocess.Popen(line, start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.asyncio
async def test_B17_a_strangers_socat_survives_open_close_crash_and_reclaim(
    opened: Opened, backend: Backend, ledger: Ledger, stranger: subprocess.Popen[bytes]
):
    tunnel = await opened(node(backend.port))
    os.kill(tunnel.pid or 0, signal.SIGKILL)
    await tunnel.broken()
    await tunnel.close()
    again = await opened(node(backend.port))
    reclaimed = await asyncio.to_thread(Ledger(ledger.path).reclaim)
    assert {entry.pid for entry in reclaimed} >= {again.pid}
    assert stranger.poll() is None


@pytest.mark.asyncio
async def test_socat_is_looked_for_and_run_in_the_environment_of_whoever_wants_the_forward(
    children: Children, backend: Backend, port: int, tmp_path: Path
):
    missing = Socat(children).missing({"PATH": str(tmp_path)})
    assert missing and "cannot find socat" in missing.what
    environ = {**os.environ, "WHO": "me"}
    wanted = forward(local_port=port, health=Health(timeout=2.0))
    tunnel = await Socat(children).open(OpenRequest(wanted, (node(backend.port),), environ=environ))
    try:
        if sys.platform == "linux":
            variables = await asyncio.to_thread(Path(f"/proc/{tunnel.pid}/environ").read_bytes)
            assert b"WHO=me" in variables.split(b"\0")
    finally:
        await tunnel.close()
