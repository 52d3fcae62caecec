"""The methods that are processes, with the real kubectl and socat on the rig."""

import asyncio
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from kfw.errors import KfwError
from kfw.methods.base import Method, OpenRequest, Tunnel
from kfw.methods.kubectl import Kubectl, argv
from kfw.methods.socat import Socat
from kfw.model import Endpoint, Forward, Health, Reason, Target
from kfw.relay.dialer import Dialer
from kfw.system.ledger import Ledger
from kfw.system.process import Children
from kfw.system.process_identity import look
from tests.real import talk
from tests.real.rig import Rig

#: More than kubectl's and socat's buffers hold, less than a coffee.
SIZE = 16 << 20


def wanted(rig: Rig, user: str = "admin", port: int = 0, **changes: object) -> Forward:
    kubeconfig = rig.kubeconfig if user == "admin" else rig.user(user)
    return Forward(
        "web",
        Target.parse("service/web"),
        80,
        port,
        namespace=str(changes.pop("namespace", "demo")),
        context=rig.kubectl("--kubeconfig", str(kubeconfig), "config", "current-context").strip(),
        kubeconfig=(str(kubeconfig),),
        **changes,  # type: ignore[arg-type]
    )


def web_pods(rig: Rig, port: int = 8080) -> tuple[Endpoint, ...]:
    said = rig.kubectl(
        "-n", "demo", "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}"
    )
    return tuple(Endpoint("pod", name, "", port) for name in sorted(said.split()))


def nodes(rig: Rig, port: int = 30080) -> tuple[Endpoint, ...]:
    return tuple(Endpoint("node", ip, ip, port) for ip in rig.node_ips)


@asynccontextmanager
async def opened(method: Method, forward: Forward, *endpoints: Endpoint) -> AsyncIterator[Tunnel]:
    tunnel = await method.open(OpenRequest(forward, endpoints))
    try:
        yield tunnel
    finally:
        await tunnel.close()


class Answer(asyncio.Protocol):
    """Says something and hears the answer to its end, or until it has `enough` bytes."""

    def __init__(self, say: bytes, enough: int = 1 << 62) -> None:
        self.say = say
        self.enough = enough
        self.heard = bytearray()
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.say)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if len(self.heard) >= self.enough:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set_result(bytes(self.heard))


async def ask(dialer: Dialer | None, say: bytes, enough: int = 1 << 62) -> bytes:
    assert dialer
    answer = Answer(say, enough)
    await dialer.dial(lambda: answer)
    return await asyncio.wait_for(answer.done, 60)


GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def numbers(size: int) -> str:
    """What port 9002 sends: byte i is i % 251."""
    line = bytes(range(251)) * (size // 251 + 1)
    return hashlib.sha256(line[:size]).hexdigest()


# -- kubectl


@pytest.mark.asyncio
@pytest.mark.parametrize("user", ["admin", "token", "exec", "viewer"])
async def test_kubectl_carries_a_request_for_every_login(rig: Rig, children: Children, user: str) -> None:
    forward = await asyncio.to_thread(wanted, rig, user)
    pods = await asyncio.to_thread(web_pods, rig)
    async with opened(Kubectl(children), forward, *pods) as tunnel:
        assert f'"pod":"{pods[0].name}"'.encode() in await ask(tunnel.dialer, GET)
        await tunnel.probe()


@pytest.mark.asyncio
async def test_kubectl_carries_megabytes_whole(rig: Rig, children: Children) -> None:
    pods = await asyncio.to_thread(web_pods, rig, 9002)
    async with opened(Kubectl(children), wanted(rig), *pods) as tunnel:
        got = await ask(tunnel.dialer, f"{SIZE}\n".encode(), SIZE)
    assert hashlib.sha256(got).hexdigest() == numbers(SIZE)
    pods = await asyncio.to_thread(web_pods, rig, 9000)
    data = os.urandom(1 << 20)
    async with opened(Kubectl(children), wanted(rig), *pods) as tunnel:
        assert await ask(tunnel.dialer, data, len(data)) == data


@pytest.mark.asyncio
async def test_A37_a_closed_container_port_is_refused_in_kubectls_words(rig: Rig, children: Children) -> None:
    pods = await asyncio.to_thread(web_pods, rig, 7777)
    with pytest.raises(
        KfwError, match=r"^kubectl: failed to connect to localhost:7777 inside namespace"
    ) as error:
        await Kubectl(children).open(OpenRequest(wanted(rig), pods[:1]))
    assert error.value.reason == "app-refuses"
    assert "connection refused" in error.value.what


@pytest.mark.asyncio
@pytest.mark.parametrize(("user", "reason"), [("limited", "not-permitted"), ("expired", "login-expired")])
async def test_who_may_not_is_told_so(rig: Rig, children: Children, user: str, reason: str) -> None:
    forward = await asyncio.to_thread(wanted, rig, user)
    pods = await asyncio.to_thread(web_pods, rig)
    with pytest.raises(KfwError) as error:
        await Kubectl(children).open(OpenRequest(forward, pods))
    assert error.value.reason == reason
    assert error.value.what.startswith("kubectl: error: ")


@pytest.mark.asyncio
async def test_A2_a_pod_that_is_not_there_is_not_found_within_seconds(rig: Rig, children: Children) -> None:
    before = time.monotonic()
    with pytest.raises(KfwError, match=r'pods "nobody" not found') as error:
        await Kubectl(children).open(OpenRequest(wanted(rig), (Endpoint("pod", "nobody", "", 80),)))
    assert time.monotonic() - before < 10
    assert error.value.reason == "endpoint-gone"


@pytest.mark.asyncio
async def test_A6_a_killed_kubectl_is_noticed_in_half_a_second(rig: Rig, children: Children) -> None:
    pods = await asyncio.to_thread(web_pods, rig)
    async with opened(Kubectl(children), wanted(rig), *pods) as tunnel:
        before = time.monotonic()
        os.kill(tunnel.pid or 0, signal.SIGKILL)
        problem = await asyncio.wait_for(tunnel.broken(), 5)
        assert time.monotonic() - before < 0.5
        assert problem.message == "kubectl was killed by SIGKILL"


@pytest.fixture
def pod(rig: Rig, namespace: str) -> Endpoint:
    """One of our own, to be deleted."""
    rig.kubectl("-n", namespace, "run", "mortal", "--image=kfw-app:1", "--port=8080")
    rig.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/mortal", "--timeout=30s")
    return Endpoint("pod", "mortal", "", 8080)


@pytest.mark.asyncio
async def test_a_deleted_pod_breaks_it_at_the_next_connection(
    rig: Rig, children: Children, namespace: str, pod: Endpoint
) -> None:
    async with opened(Kubectl(children), wanted(rig, namespace=namespace), pod) as tunnel:
        await asyncio.to_thread(
            rig.kubectl, "-n", namespace, "delete", "pod", "mortal", "--grace-period=1", "--wait=true"
        )
        with pytest.raises(KfwError):
            await tunnel.probe()
        problem = await asyncio.wait_for(tunnel.broken(), 5)
        assert problem.reason is Reason.ENDPOINT_GONE
        assert problem.message.startswith("kubectl: network namespace for sandbox ")
        with pytest.raises(KfwError, match='pods "mortal" not found'):
            await Kubectl(children).open(OpenRequest(wanted(rig, namespace=namespace), (pod,)))


# -- socat


@pytest.mark.asyncio
async def test_socat_carries_requests_and_megabytes_on_both_addresses(
    rig: Rig, children: Children, free_port: int
) -> None:
    async with opened(Socat(children), wanted(rig, port=free_port), *nodes(rig)):
        assert (await asyncio.to_thread(talk.pod_behind, free_port)).startswith("web-")
    async with opened(Socat(children), wanted(rig, port=free_port), *nodes(rig, 30902)):
        got = await asyncio.to_thread(talk.exchange, free_port, f"{SIZE}\n".encode(), half_close=False)
        assert hashlib.sha256(got).hexdigest() == numbers(SIZE)


@pytest.mark.asyncio
async def test_B22_a_node_that_does_not_answer_is_passed_over(
    rig: Rig, children: Children, free_port: int
) -> None:
    dead = Endpoint("node", "dead", "127.0.0.1", 1)
    async with opened(Socat(children), wanted(rig, port=free_port), dead, *nodes(rig)) as tunnel:
        assert tunnel.endpoint in nodes(rig)


@pytest.mark.asyncio
async def test_B15_a_killed_socat_is_back_in_two_seconds_on_the_same_port(
    rig: Rig, children: Children, free_port: int
) -> None:
    forward = wanted(rig, port=free_port)
    async with opened(Socat(children), forward, *nodes(rig)) as tunnel:
        before = time.monotonic()
        os.kill(tunnel.pid or 0, signal.SIGKILL)
        await asyncio.wait_for(tunnel.broken(), 5)
        assert time.monotonic() - before < 0.5
        await tunnel.close()
        async with opened(Socat(children), forward, *nodes(rig)) as again:
            assert again.pid != tunnel.pid
            assert time.monotonic() - before < 2
            assert (await asyncio.to_thread(talk.pod_behind, free_port)).startswith("web-")


@pytest.mark.asyncio
async def test_a_node_port_that_nobody_serves_is_not_up(rig: Rig, children: Children, free_port: int) -> None:
    with pytest.raises(KfwError) as error:
        await Socat(children).open(
            OpenRequest(wanted(rig, port=free_port, health=Health(timeout=2)), nodes(rig, 31999))
        )
    assert error.value.reason == "app-refuses"


# -- both


@pytest.fixture
def strangers(rig: Rig, free_ports: Callable[[int], list[int]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Somebody else's, with the command lines that ours have."""
    port, other = free_ports(2)
    pod = web_pods(rig)[0]
    lines = [
        ["socat", "-d", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", f"TCP:{rig.node_ips[0]}:30080"],
        [*argv(wanted(rig), pod)[:-1], f"{other}:8080"],
    ]
    started = [subprocess.Popen(line, stdout=subprocess.DEVNULL) for line in lines]
    yield started
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.asyncio
async def test_B17_B20_after_a_crash_of_the_daemon_ours_are_ended_and_strangers_live_on(
    rig: Rig, children: Children, ledger: Ledger, free_port: int, strangers: list[subprocess.Popen[bytes]]
) -> None:
    """The crash: another Ledger reads the file, as the next daemon does, while the children still run."""
    pods = await asyncio.to_thread(web_pods, rig)
    async with opened(Socat(children), wanted(rig, port=free_port), *nodes(rig)) as socat:
        async with opened(Kubectl(children), wanted(rig), *pods) as kubectl:
            reclaimed = await asyncio.to_thread(Ledger(ledger.path).reclaim)
            assert {entry.pid for entry in reclaimed} >= {socat.pid, kubectl.pid}
            assert [pid for pid in (socat.pid, kubectl.pid) if look(pid or 0)] == []
            assert [stranger.poll() for stranger in strangers] == [None, None]
