"""A silent API server is known within 5 s, by its own connections or by asking; one that is there is not doubted."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from kfw.errors import ClusterUnreachable
from kfw.kube import dial
from kfw.kube.monitor import ServerMonitor
from kfw.kube.timeouts import Timeouts
from kfw.model import Reason
from kfw.system.keepalive import OF_API_SERVERS
from tests.kube.fake_api import serving
from tests.kube.test_watch import knows, watching
from tests.until import until

#: Seconds, and what a busy machine may add.
WITHIN, BUSY = 5.0, 1.0


def test_the_timeouts_of_a_silence_make_less_than_5_s_together() -> None:
    times = Timeouts()
    by_asking = times.idle_before_probe + max(times.probe, times.probe_beside + times.fresh)
    assert by_asking < WITHIN
    kernel = OF_API_SERVERS
    assert kernel.idle + kernel.interval * kernel.count < WITHIN
    assert kernel.unacknowledged is not None and kernel.unacknowledged / 1000 < WITHIN
    assert all(getattr(times, one.name) > 0 for one in fields(times))


@pytest.mark.asyncio
async def test_a_server_that_falls_silent_behind_connections_that_stand_is_known_within_5_s() -> None:
    """As behind a load balancer, or where the process hangs: the kernel acknowledges everything."""
    async with serving() as api, watching(api, Timeouts()) as (watch, server):
        await until(lambda: watch.synced)
        await asyncio.sleep(0.1)
        api.freeze()
        began = time.monotonic()
        await until(lambda: server.problem, 10)
        assert time.monotonic() - began < WITHIN + BUSY
        assert server.problem and server.problem.reason is Reason.CLUSTER_UNREACHABLE
        api.thaw()
        await until(lambda: server.problem is None, 2)


@pytest.mark.asyncio
async def test_a_server_that_is_slow_but_answers_is_not_called_away_and_its_connections_stay() -> None:
    asked = list[bool]()
    redialled = list[bool]()

    async def ask(fresh: bool, seconds: float) -> None:
        asked.append(fresh)
        await asyncio.sleep(0.08)

    times = Timeouts(idle_before_probe=0.01, probe=0.1, probe_beside=0.02, fresh=0.1)
    monitor = ServerMonitor(ask, times, lambda: redialled.append(True), lambda: redialled.append(True))
    task = asyncio.create_task(monitor.run())
    await until(lambda: asked.count(False) >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert monitor.away is None
    assert redialled == []


@pytest.mark.asyncio
async def test_a_verdict_that_is_wanted_again_is_told_although_it_is_the_same() -> None:
    told = list[float]()
    loop = asyncio.get_running_loop()

    async def ask(fresh: bool, seconds: float) -> None:
        raise ClusterUnreachable("no route")

    times = Timeouts(idle_before_probe=0.01, reconnect_interval=1000)
    monitor = ServerMonitor(ask, times, lambda: told.append(monitor.judged_at), lambda: None)
    task = asyncio.create_task(monitor.run())
    await until(lambda: told)
    await asyncio.sleep(0.05)
    assert len(told) == 1
    wanted = loop.time()
    monitor.judge_again()
    await until(lambda: len(told) == 2)
    assert told[1] >= wanted
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# -- a network that swallows everything

SERVER = """
import asyncio, sys
from tests.kube.fake_api import FakeApi
from tests.kube.wire import PODS, pod

async def main():
    api = FakeApi()
    api.host = "0.0.0.0"
    await api.put(PODS, pod("a"))
    await api.start()
    print(api.port, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@dataclass
class Network:
    """A machine behind a cable, with an API server on it."""

    namespace: str
    address: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def swallow(self) -> None:
        self._rule("-I")

    def heal(self) -> None:
        self._rule("-D")

    def _rule(self, action: str) -> None:
        run("ip", "netns", "exec", self.namespace, "iptables", action, "INPUT", "-p", "tcp", "-j", "DROP")


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@pytest.fixture
def network() -> Iterator[Network]:
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("iptables"):
        pytest.skip("needs root, ip and iptables")
    name = f"kfw-{os.getpid()}"
    number = os.getpid() % 250
    here, there = f"10.213.{number}.1", f"10.213.{number}.2"
    try:
        run("ip", "netns", "add", name)
    except subprocess.CalledProcessError:
        pytest.skip("no network namespaces here")
    program: subprocess.Popen[str] | None = None
    try:
        run("ip", "link", "add", f"k{os.getpid()}", "type", "veth", "peer", "name", "far", "netns", name)
        run("ip", "addr", "add", f"{here}/30", "dev", f"k{os.getpid()}")
        run("ip", "link", "set", f"k{os.getpid()}", "up")
        for words in (f"addr add {there}/30 dev far", "link set far up"):
            run("ip", "-n", name, *words.split())
        program = subprocess.Popen(
            ["ip", "netns", "exec", name, sys.executable, "-c", SERVER],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert program.stdout
        yield Network(name, there, int(program.stdout.readline()))
    finally:
        if program:
            program.kill()
            program.communicate()
        for words in (f"link del k{os.getpid()}", f"netns del {name}"):
            with suppress(subprocess.CalledProcessError):
                run("ip", *words.split())


@pytest.mark.asyncio
async def test_a_network_that_swallows_everything_is_known_within_5_s_and_all_goes_on_afterwards(
    network: Network,
) -> None:
    async with watching(network, Timeouts()) as (watch, server):
        await until(knows(watch, "a"))
        await asyncio.to_thread(network.swallow)
        began = time.monotonic()
        await until(lambda: server.problem, 10)
        assert time.monotonic() - began < WITHIN + BUSY
        await asyncio.to_thread(network.heal)
        await until(lambda: server.problem is None, 5)
        await until(lambda: watch.readable, 5)


@pytest.mark.asyncio
async def test_the_kernel_ends_a_dead_connection_within_5_s_although_nobody_asks(network: Network) -> None:
    reader, writer = await dial.dial(dial.ServerAddress(network.address, network.port), None)
    await asyncio.sleep(0.1)
    await asyncio.to_thread(network.swallow)
    began = time.monotonic()
    with pytest.raises(OSError, match="timed out"):
        await asyncio.wait_for(reader.read(1), 10)
    assert time.monotonic() - began < WITHIN + BUSY
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@pytest.mark.asyncio
async def test_what_is_written_into_a_dead_connection_is_known_within_5_s(network: Network) -> None:
    reader, writer = await dial.dial(dial.ServerAddress(network.address, network.port), None)
    await asyncio.to_thread(network.swallow)
    began = time.monotonic()
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(OSError, match="timed out"):
        await asyncio.wait_for(reader.read(1), 10)
    assert time.monotonic() - began < WITHIN + BUSY
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
