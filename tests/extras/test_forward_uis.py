"""When a page begins, ends and begins again: with pages that only say that they are there, and a clock of the test's."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import msgspec
import pytest

from kfw.errors import KfwError, PortInUse
from kfw.extras.forward_uis import PAUSES, PROVEN, ForwardUis, UiPorts, UiSubject, subject_of, ui_kind
from kfw.model import Forward, Status
from kfw.names import RowId
from kfw.protocol import ForwardStatus, UiInfo
from tests.daemon.test_counters import status as status_of
from tests.fakes import FakeClock, forward, settle

RPC = forward("api", type="rpc")
API = RowId("", "api")


class StubPages:
    """All kinds of pages. `running`: those that are there; `fail`: what the next one ends with."""

    def __init__(self) -> None:
        self.running: list[UiSubject] = []
        self.begun = 0
        self.failures: list[BaseException] = []
        self.breaks: asyncio.Future[None] | None = None

    async def run(self, subject: UiSubject, on_active: Callable[[str], None]) -> None:
        self.begun += 1
        if self.failures:
            raise self.failures.pop(0)
        self.running.append(subject)
        self.breaks = asyncio.get_running_loop().create_future()
        try:
            on_active(f"http://127.0.0.1:{9000 + self.begun}/")
            await self.breaks
        finally:
            self.running.remove(subject)


class Desk:
    """ForwardUis with what a daemon gives it."""

    def __init__(self) -> None:
        self.pages, self.clock = StubPages(), FakeClock()
        self.entry: Forward = RPC
        self.up = True
        self.told: list[UiInfo | None] = []
        self.uis = ForwardUis(
            lambda _: self.pages,
            lambda status: subject_of(status, self.entry),
            is_up=lambda _: self.up,
            on_change=lambda _: self.told.append(self.shown().ui),
            clock=self.clock,  # type: ignore[arg-type]
        )
        self.uis.open(())

    def shown(self) -> ForwardStatus:
        return self.uis.shown(self.status(Status.ACTIVE))

    def status(self, now: Status, **fields: object) -> ForwardStatus:
        return msgspec.structs.replace(status_of(now), **fields)

    async def hear(self, now: Status, kind: str = "status", **fields: object) -> UiInfo | None:
        self.uis.hear(kind, self.status(now, **fields))
        await settle()
        return self.shown().ui


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"type": "rpc"}, "grpc"),
        ({"type": "rpc", "ui": "none"}, None),
        ({"type": "rest", "swagger_path": "docs"}, "swagger"),
        ({"type": "rest", "api_path": "v1"}, "swagger"),
        ({"type": "rest", "api_path": "v1", "ui": "none"}, None),
        ({"type": "rest"}, None),
        ({"type": "web", "swagger_path": "docs"}, None),
        ({}, None),
    ],
)
def test_who_has_asked_for_a_page_has_one(fields: dict[str, str], kind: str | None) -> None:
    assert ui_kind(forward("api", **fields)) == kind


@pytest.mark.asyncio
async def test_it_comes_when_the_forward_serves_and_goes_with_it() -> None:
    desk = Desk()
    assert await desk.hear(Status.STARTING) is None
    active = await desk.hear(Status.ACTIVE)
    assert active == UiInfo(kind="grpc", status="active", url="http://127.0.0.1:9001/")
    assert desk.told == [active]
    assert await desk.hear(Status.DEGRADED) == active
    assert await desk.hear(Status.STOPPED) is None
    assert desk.pages.running == []
    assert desk.told == [active]  # nobody is told of what has ended


@pytest.mark.asyncio
@pytest.mark.parametrize("last", [Status.ERROR, Status.SUSPENDED, Status.STOPPED, Status.DISABLED])
async def test_A18_it_stays_while_the_forward_comes_back_and_no_longer(last: Status) -> None:
    desk = Desk()
    active = await desk.hear(Status.ACTIVE)
    assert await desk.hear(Status.RECONNECTING) == active
    assert await desk.hear(Status.ACTIVE) == active
    assert desk.pages.begun == 1
    assert await desk.hear(last) is None
    assert desk.pages.running == []


@pytest.mark.asyncio
async def test_a_row_that_is_removed_has_none() -> None:
    desk = Desk()
    await desk.hear(Status.ACTIVE)
    assert await desk.hear(Status.ACTIVE, "removed") is None


@pytest.mark.asyncio
async def test_one_that_is_another_projects_now_is_not_left_behind() -> None:
    desk = Desk()
    await desk.hear(Status.ACTIVE)
    desk.up = False
    await desk.hear(Status.ACTIVE, name="other")
    assert [subject.shown for subject in desk.pages.running] == ["other"]
    await desk.uis.close()


@pytest.mark.asyncio
async def test_A18_one_that_ends_says_why_and_comes_back_after_a_pause_that_grows() -> None:
    desk = Desk()
    desk.pages.failures = [
        KfwError("grpcui was killed by SIGKILL", "look"),
        KfwError("again"),
        KfwError("again"),
    ]
    failed = await desk.hear(Status.ACTIVE)
    assert failed == UiInfo(kind="grpc", status="error", message="grpcui was killed by SIGKILL; look")
    for failures in (1, 2, 3):
        pause = PAUSES.after(failures)
        await desk.clock.advance(pause - 0.1)
        assert desk.pages.begun == failures
        await desk.clock.advance(0.1)
        assert desk.pages.begun == failures + 1
    assert desk.shown().ui == UiInfo(kind="grpc", status="active", url="http://127.0.0.1:9004/")
    await desk.uis.close()


@pytest.mark.asyncio
async def test_after_a_good_while_the_pause_is_short_again() -> None:
    desk = Desk()
    desk.pages.failures = [KfwError("no")] * 4
    await desk.hear(Status.ACTIVE)
    for failures in (1, 2, 3, 4):
        await desk.clock.advance(PAUSES.after(failures))
    desk.clock.time += PROVEN + 1
    assert desk.pages.breaks
    desk.pages.breaks.set_result(None)
    await settle()
    begun = desk.pages.begun
    await desk.clock.advance(PAUSES.after(1))
    assert desk.pages.begun == begun + 1
    await desk.uis.close()


@pytest.mark.asyncio
async def test_a_mistake_in_a_page_is_told_as_one_and_touches_nothing_else() -> None:
    desk = Desk()
    desk.pages.failures = [ZeroDivisionError("a secret")]
    failed = await desk.hear(Status.ACTIVE)
    assert failed
    assert failed.message.startswith("internal error: ZeroDivisionError")
    assert "secret" not in failed.message
    await desk.uis.close()


@pytest.mark.asyncio
async def test_a_forward_that_moved_gets_another_page_once_the_first_is_gone() -> None:
    desk = Desk()
    await desk.hear(Status.ACTIVE, local_port=80)
    await desk.hear(Status.ACTIVE, local_port=81)
    assert [subject.port for subject in desk.pages.running] == [81]
    desk.entry = replace(RPC, context="other")  # where it leads to is not what its page is
    await desk.hear(Status.ACTIVE, local_port=81)
    assert desk.pages.begun == 2
    await desk.uis.close()


@pytest.mark.asyncio
async def test_before_it_is_open_and_after_it_is_closed_there_are_no_pages() -> None:
    desk = Desk()
    await desk.hear(Status.ACTIVE)
    await desk.uis.close()
    assert desk.pages.running == []
    assert await desk.hear(Status.ACTIVE) is None
    desk.uis.open([desk.status(Status.ACTIVE)])
    await settle()
    assert desk.pages.begun == 2
    await desk.uis.close()


@pytest.mark.parametrize(
    ("addresses", "authority"),
    [
        (["127.0.0.1", "::1"], "127.0.0.1:80"),
        (["::1"], "[::1]:80"),
        (["0.0.0.0"], "127.0.0.1:80"),
        (["::"], "[::1]:80"),
        (["127.1.2.3"], "127.1.2.3:80"),
        ([], "127.0.0.1:80"),
    ],
)
def test_a_page_goes_to_where_the_forward_listens(addresses: list[str], authority: str) -> None:
    status = msgspec.structs.replace(status_of(), local_addresses=addresses)
    subject = subject_of(status, RPC)
    assert subject
    assert subject.authority == authority


@pytest.fixture
def taken() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        yield sock.getsockname()[1]


def test_A18_the_first_free_port_is_taken_and_none_that_a_forward_wants(taken: int) -> None:
    claimed = {taken + 1}
    ports = UiPorts(lambda: claimed)
    with ports.promise(0, taken) as promised:
        assert promised > taken + 1
        listening, port = ports.listen(0, taken)
        listening.close()
        assert port > promised
    again, port = ports.listen(0, promised)
    again.close()
    assert port == promised


def test_a_port_that_is_named_and_taken_is_told(taken: int) -> None:
    with pytest.raises(PortInUse) as told:
        UiPorts().listen(taken, 9100)
    assert "has it" in told.value.what
    assert "uiPort" in told.value.fix
