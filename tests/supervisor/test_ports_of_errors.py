"""What is in error gives its port to what comes."""

import socket

import pytest

from kfw.model import Problem, Reason, Resolution, Status
from kfw.protocol import ADDED, ForwardStatus
from kfw.supervisor.supervisor import Supervisor
from tests.fakes import FakeWorld, forward, node, settle

pytestmark = pytest.mark.asyncio

FILE = "/work/kfw.yaml"
GONE = Resolution(problem=Problem(Reason.TARGET_NOT_FOUND, 'services "api" not found'))


class World:
    def __init__(self) -> None:
        self.fake = FakeWorld()
        self.supervisor = Supervisor(self.fake.world, lambda kind, status: None)

    async def up(self, name: str, said: Resolution, **changes: object) -> ForwardStatus:
        await self.supervisor.up([forward(name, **changes)])
        await settle()
        await self.fake.clusters.say(said)
        return self.report(name)

    def report(self, name: str) -> ForwardStatus:
        return next(row for row in self.supervisor.statuses() if row.name == name)


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_what_is_in_error_gives_its_port_to_what_comes() -> None:
    made, port = World(), _free()
    try:
        assert (await made.up("typo", GONE, local_port=port, source=FILE)).status is Status.ERROR
        now = await made.up("right", Resolution(nodes=(node(),)), local_port=port, source=ADDED)
        assert (now.status, now.local_port) == (Status.ACTIVE, port)
        old = made.report("typo")
        assert old.status is Status.STOPPED
        assert old.message.startswith(f"port {port} went to 'right', as this one was in error")
    finally:
        await made.supervisor.close()


async def test_what_serves_keeps_its_port() -> None:
    made, port = World(), _free()
    try:
        await made.up("first", Resolution(nodes=(node(),)), local_port=port)
        await made.supervisor.up([forward("second", local_port=port)])
        await settle()
        assert made.report("first").status is Status.ACTIVE
        assert made.report("second").reason is Reason.PORT_IN_USE
    finally:
        await made.supervisor.close()


async def test_what_has_no_port_because_a_program_has_it_is_not_stopped_for_it() -> None:
    made = World()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        try:
            await made.supervisor.up([forward("first", local_port=port)])
            await settle()
            assert made.report("first").status is Status.ERROR
            await made.supervisor.up([forward("second", local_port=port)])
            await settle()
            assert made.report("first").reason is Reason.PORT_IN_USE
        finally:
            await made.supervisor.close()
