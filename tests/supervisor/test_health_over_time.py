"""Health checks over a long time, on a clock that only the test moves."""

import asyncio

import pytest

from kfw.choices import HEALTH_TYPES
from kfw.errors import KfwError
from kfw.methods.base import OpenRequest
from kfw.methods.probe import probe
from kfw.model import Health, Resolution, Status
from tests.fakes import FakeMethod, FakeTunnel, FakeWorld, node, settle
from tests.relay.world import app
from tests.supervisor.test_runner import up
from tests.until import until

pytestmark = pytest.mark.asyncio

THERE = Resolution(nodes=(node(), node(name="node-2")))
DAY, STEP = 86400, 15
ILL = KfwError("answered GET / with 503, good are 2xx, 3xx", reason="unhealthy")


@pytest.mark.parametrize("kind", HEALTH_TYPES)
async def test_FR_CONN_06_SM_2_an_idle_healthy_forward_is_left_alone_for_a_day(kind: str) -> None:
    method = FakeMethod()
    fake = FakeWorld(method)
    async with up(fake, health=Health(kind, command=("true",))) as api:
        await fake.clusters.say(THERE)
        for _ in range(DAY // STEP):
            await fake.clock.advance(STEP)
        assert (api.now.restarts, api.statuses.count("active"), len(method.tunnels)) == (0, 1, 1)
        assert method.tunnels[0].probes == (0 if kind == "none" else pytest.approx(DAY / 60, abs=5))


async def test_a_check_that_fails_once_an_hour_degrades_and_never_restarts() -> None:
    method = FakeMethod()
    fake = FakeWorld(method)
    async with up(fake) as api:
        await fake.clusters.say(THERE)
        for hour in range(24):
            method.tunnels[0].ill = ILL
            while api.now.status is Status.ACTIVE:
                await fake.clock.advance(1)
            method.tunnels[0].ill = None
            for _ in range(3600):
                await fake.clock.advance(1)
                if api.now.status is Status.ACTIVE:
                    break
            assert (api.now.status, api.now.restarts) == (Status.ACTIVE, 0), hour


class HttpTunnel(FakeTunnel):
    """Its probe is the real one, of a real app."""

    port = 0
    health = Health("http", timeout=5)

    async def probe(self) -> None:
        from kfw.relay.dialer import TcpDialer

        await probe(TcpDialer("127.0.0.1", self.port).dial, self.health)


class HttpMethod(FakeMethod):
    def __init__(self, port: int) -> None:
        super().__init__(port=port)
        self.opened = 0

    async def open(self, request: OpenRequest) -> FakeTunnel:
        tunnel = HttpTunnel(request.endpoints[0], None)
        tunnel.port = self._port
        await tunnel.probe()
        self.opened += 1
        self.tunnels.append(tunnel)
        return tunnel


async def test_FR_CONN_06_an_app_that_answers_500_degrades_is_opened_again_elsewhere_and_heals() -> None:
    status, asked = b"200 OK", 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")

    async with app(answer) as far:
        method = HttpMethod(far.port)
        fake = FakeWorld(method)
        async with up(fake, health=HttpTunnel.health) as api:

            async def pass_until(wanted: Status) -> None:
                async with asyncio.timeout(60):
                    while api.now.status is not wanted:
                        await fake.clock.advance(1)
                        await asyncio.sleep(0.01)

            await fake.clusters.say(THERE)
            await pass_until(Status.ACTIVE)
            status = b"500 Oops"
            await pass_until(Status.DEGRADED)
            assert api.now.message.startswith("answered GET / with 500, good are 2xx, 3xx")
            await pass_until(Status.RECONNECTING)
            first, status = method.tunnels[0].endpoint, b"204 No Content"
            await pass_until(Status.ACTIVE)
            await settle()
            assert (api.now.restarts, method.opened) == (1, 2)
            assert method.tunnels[1].endpoint != first
            await until(lambda: method.tunnels[0].closed)
