"""The runner with a real listener and real connections; the cluster and the clock are fakes."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from kfw.errors import KfwError
from kfw.methods.base import OpenRequest
from kfw.model import Endpoint, Problem, Reason, Resolution, Retry, Status
from kfw.names import RowId
from kfw.protocol import ForwardStatus
from kfw.supervisor.supervisor import Supervisor
from tests.fakes import FakeDialer, FakeMethod, FakeTunnel, FakeWorld, forward, node, pod, settle
from tests.stream_server import streams
from tests.until import until

pytestmark = pytest.mark.asyncio

API = RowId("", "api")

THERE = Resolution(pods=(pod("api-1"),), nodes=(node(),))
NO_POD = Resolution(problem=Problem(Reason.NO_READY_POD, "0 of 1 pods are ready"))
GONE = Resolution(problem=Problem(Reason.TARGET_NOT_FOUND, 'services "api" not found'))


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)

    async with streams(answer) as server:
        yield server.port


class Watched:
    """A supervisor with one forward, and everything it told."""

    def __init__(self, fake: FakeWorld) -> None:
        self.fake = fake
        self.told: list[tuple[str, ForwardStatus]] = []
        self.supervisor = Supervisor(fake.world, lambda kind, status: self.told.append((kind, status)))

    @property
    def now(self) -> ForwardStatus:
        return self.supervisor.report(API)

    @property
    def statuses(self) -> list[str]:
        return [status.status.value for kind, status in self.told if kind == "status"]


@asynccontextmanager
async def up(fake: FakeWorld, **changes: object) -> AsyncIterator[Watched]:
    watched = Watched(fake)
    await watched.supervisor.up([forward(**changes)])
    await settle()
    try:
        yield watched
    finally:
        await watched.supervisor.close()


async def say(text: bytes, port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    try:
        return await asyncio.wait_for(reader.readexactly(len(text)), 5)
    finally:
        writer.close()


async def test_A1_bytes_flow_both_ways_once_the_target_is_there() -> None:
    async with echo() as port, up(FakeWorld(FakeMethod(port=port))) as api:
        assert api.now.status is Status.STARTING
        await api.fake.clusters.say(THERE)
        assert api.now.status is Status.ACTIVE
        assert await say(b"hello", api.now.local_port) == b"hello"
        assert (api.now.method, api.now.restarts) == ("nodeport", 0)


async def test_a_connection_waits_for_the_first_endpoint_and_keeps_its_bytes() -> None:
    async with echo() as port, up(FakeWorld(FakeMethod(port=port))) as api:
        early = asyncio.create_task(say(b"early", api.now.local_port))
        await asyncio.sleep(0.05)
        await api.fake.clusters.say(THERE)
        assert await early == b"early"


async def test_A6_a_broken_way_is_opened_again_at_once_with_its_last_words_as_message() -> None:
    method = FakeMethod()
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        method.tunnels[0].break_it(Reason.CHILD_EXITED, "socat: exit code 1")
        await settle()
        assert api.statuses == ["starting", "active", "reconnecting", "active"]
        assert api.told[2][1].message == "socat: exit code 1"
        assert (api.now.restarts, method.tunnels[0].closed) == (1, 1)


async def test_A2_a_missing_target_is_said_in_the_tools_words_and_comes_back_by_itself() -> None:
    async with up(FakeWorld()) as api:
        await api.fake.clusters.say(GONE)
        assert (api.now.status, api.now.reason) == (Status.ERROR, Reason.TARGET_NOT_FOUND)
        assert api.now.message == 'services "api" not found'
        await api.fake.clusters.say(THERE)
        assert api.now.status is Status.ACTIVE


async def test_A30_a_new_way_is_open_before_the_old_pods_way_is_given_up() -> None:
    method = FakeMethod("kubectl", wants="pod")
    async with up(FakeWorld(method), method="kubectl") as api:
        await api.fake.clusters.say(THERE)
        await api.fake.clusters.say(Resolution(pods=(pod("api-2"),)))
        old, new = method.tunnels
        assert (api.now.status, old.closed, new.endpoint.name) == (Status.ACTIVE, 1, "api-2")
        assert api.statuses == ["starting", "active", "reconnecting", "active"]


@pytest.mark.parametrize("ends", ["its last connection has ended", "it breaks"])
async def test_a_way_that_is_replaced_is_kept_until(ends: str) -> None:
    async with echo() as port:
        method = FakeMethod("kubectl", wants="pod", port=port)
        async with up(FakeWorld(method), method="kubectl") as api:
            await api.fake.clusters.say(THERE)
            reader, writer = await asyncio.open_connection("127.0.0.1", api.now.local_port)
            writer.write(b"before")
            assert await reader.readexactly(6) == b"before"

            await api.fake.clusters.say(Resolution(pods=(pod("api-2"),)))
            old, new = method.tunnels
            writer.write(b"after")
            assert await reader.readexactly(5) == b"after"
            assert (old.closed, new.closed, api.now.status) == (0, 0, Status.ACTIVE)

            if ends == "it breaks":
                old.break_it(Reason.CHILD_EXITED, "lost connection to pod")
            else:
                writer.close()
            await until(lambda: old.closed)
            assert (old.closed, new.closed, api.now.status) == (1, 0, Status.ACTIVE)
            writer.close()


async def test_a_way_to_a_cluster_that_is_another_one_now_is_replaced_though_its_pods_have_the_same_names() -> (
    None
):
    method = FakeMethod("kubectl", wants="pod")
    async with up(FakeWorld(method), method="kubectl") as api:
        await api.fake.clusters.say(THERE)
        await api.fake.clusters.say(replace(THERE, cluster=2))

        old, new = method.tunnels
        assert (old.closed, new.closed, api.now.status) == (1, 0, Status.ACTIVE)
        assert old.endpoint == new.endpoint


async def test_B13_another_node_port_is_followed() -> None:
    method = FakeMethod()
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        await api.fake.clusters.say(Resolution(pods=THERE.pods, nodes=(node(31000),)))
        assert api.now.endpoint and api.now.endpoint.port == 31000


AWAY = Problem(Reason.CLUSTER_UNREACHABLE, "cannot reach the API server")


async def test_A10_a_child_that_ends_with_the_api_is_not_started_again_until_the_api_is_back() -> None:
    """kubectl's end may be heard of before the API's: by then the next kubectl is on its way, and hangs."""

    class Hangs(FakeMethod):
        hanging = False
        ended = 0

        async def open(self, request: OpenRequest) -> FakeTunnel:
            while self.hanging:
                try:
                    await asyncio.sleep(1000)
                finally:
                    self.ended += 1
            return await super().open(request)

    method = Hangs("kubectl", wants="pod")
    async with up(FakeWorld(method), method="kubectl") as api:
        await api.fake.clusters.say(THERE)
        method.hanging = True
        method.tunnels[0].break_it(Reason.CHILD_EXITED, "lost connection to pod")
        await settle()
        assert api.now.status is Status.RECONNECTING
        await api.fake.clusters.say(replace(THERE, problem=AWAY))
        assert (api.now.status, api.now.reason, method.ended) == (
            Status.SUSPENDED,
            Reason.CLUSTER_UNREACHABLE,
            1,
        )
        method.hanging = False
        await api.fake.clusters.say(THERE)
        assert api.now.status is Status.ACTIVE


async def test_A10_what_goes_by_node_ports_is_opened_although_the_api_is_away() -> None:
    async with up(FakeWorld()) as api:
        await api.fake.clusters.say(THERE)
        await api.fake.clusters.say(replace(THERE, problem=AWAY))
        assert (api.now.status, api.now.reason) == (Status.ACTIVE, Reason.CLUSTER_UNREACHABLE)
        api.supervisor.restart([API])
        await settle()
        assert (api.now.status, api.now.restarts) == (Status.ACTIVE, 1)


async def test_a_way_whose_pods_come_back_is_used_again_without_a_restart() -> None:
    method = FakeMethod()
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        await api.fake.clusters.say(NO_POD)
        assert (api.now.status, api.now.reason) == (Status.RECONNECTING, Reason.NO_READY_POD)
        await api.fake.clusters.say(THERE)
        assert (api.now.status, api.now.restarts, len(method.tunnels)) == (Status.ACTIVE, 0, 1)


async def test_A7_delays_between_attempts_grow_and_the_next_one_is_told() -> None:
    method = FakeMethod()
    method.failures = [KfwError("refused", reason="unhealthy") for _ in range(3)]
    async with up(FakeWorld(method), retry=Retry(initial_delay=1, multiplier=2)) as api:
        await api.fake.clusters.say(THERE)
        assert api.now.next_attempt_at is not None
        for delay in (1, 2, 4):
            await api.fake.clock.advance(delay - 0.1)
            assert api.now.status is Status.STARTING
            await api.fake.clock.advance(0.1)
        assert (api.now.status, api.now.next_attempt_at) == (Status.ACTIVE, None)


async def test_A8_health_checks_degrade_reopen_and_heal() -> None:
    method = FakeMethod()
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        method.tunnels[0].ill = KfwError("closed at once", reason="unhealthy")
        await api.fake.clock.advance(15)
        assert (api.now.status, api.now.message) == (Status.DEGRADED, "closed at once")
        method.tunnels[0].ill = None
        await api.fake.clock.advance(2)
        assert api.now.status is Status.DEGRADED
        await api.fake.clock.advance(2)
        assert (api.now.status, api.now.reason) == (Status.ACTIVE, None)


async def test_after_a_sleep_of_the_machine_everything_is_looked_at_at_once() -> None:
    method = FakeMethod()
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        pokes, probes = api.fake.clusters.pokes, method.tunnels[0].probes
        method.tunnels[0].ill = KfwError("no answer", reason="unhealthy")
        api.supervisor.recheck("the machine has slept for 3600 s")
        await settle()
        assert (api.fake.clusters.pokes, method.tunnels[0].probes) == (pokes + 1, probes + 1)
        assert (api.now.status, api.now.message) == (Status.DEGRADED, "no answer")
        method.tunnels[0].ill = None
        await api.fake.clock.advance(2)
        await api.fake.clock.advance(2)
        assert api.now.status is Status.ACTIVE


async def test_an_attempt_that_waits_is_made_at_once_after_a_sleep_of_the_machine() -> None:
    method = FakeMethod()
    method.failures = [KfwError("no way", reason="unhealthy")]
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        assert api.now.next_attempt_at
        api.supervisor.recheck("the machine has slept for 60 s")
        await settle()
        assert api.now.status is Status.ACTIVE


async def test_A33_a_busy_port_is_an_error_row_that_retry_mends_and_nothing_listens_meanwhile() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        async with up(FakeWorld(), local_port=port) as api:
            assert (api.now.status, api.now.reason) == (Status.ERROR, Reason.PORT_IN_USE)
            assert api.now.local_addresses == []
            stranger.close()
            api.supervisor.retry([API])
            await settle()
            await api.fake.clusters.say(THERE)
            assert (api.now.status, api.now.local_port) == (Status.ACTIVE, port)


async def test_A34_after_stopped_nothing_more_is_said_of_it() -> None:
    async with up(FakeWorld()) as api:
        await api.fake.clusters.say(THERE)
        await api.supervisor.down([API])
        told = len(api.told)
        await api.fake.clusters.say(GONE)
        assert (api.statuses[-1], len(api.told)) == ("stopped", told)


async def test_stopping_while_an_attempt_runs_leaves_nothing() -> None:
    class Slow(FakeMethod):
        async def open(self, request: object) -> object:  # type: ignore[override]
            await asyncio.Event().wait()

    async with up(FakeWorld(Slow())) as api:
        await api.fake.clusters.say(THERE)
        port = api.now.local_port
        await api.supervisor.remove([API])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert api.told[-1][0] == "removed"


async def test_a_mistake_in_kfw_leaves_the_port_bound_the_others_alone_and_passes() -> None:
    class Bad(FakeMethod):
        mistakes = 1

        async def open(self, request: object) -> object:  # type: ignore[override]
            if self.mistakes:
                self.mistakes -= 1
                raise ZeroDivisionError
            return await super().open(request)  # type: ignore[arg-type]

    async with echo() as port:
        bad = Bad("kubectl", "pod", port)
        async with up(FakeWorld(bad, FakeMethod()), method="kubectl") as api:
            await api.supervisor.up([forward("other", method="nodeport")])
            await settle()
            for _ in range(2):
                await api.fake.clusters.say(THERE)
            assert (api.now.status, api.now.reason) == (Status.STARTING, Reason.INTERNAL)
            assert "ZeroDivisionError" in api.now.message
            assert api.supervisor.report(RowId("", "other")).status is Status.ACTIVE
            waiting = asyncio.create_task(say(b"patient", api.now.local_port))
            await asyncio.sleep(0.05)
            await api.fake.clock.advance(1)
            for _ in range(2):  # one for each of the two that listen
                await api.fake.clusters.say(THERE)
            assert await waiting == b"patient"


# -- what is told


@pytest.mark.parametrize(
    ("reason", "sentences"),
    [
        (Reason.NO_READY_POD, [f"{count} of 6 pods are not ready" for count in (6, 6, 5, 3)]),
        (Reason.NO_READY_POD, [f"pod api-5d8f-{name}: ContainerCreating" for name in "abc"]),
        (Reason.TIMED_OUT, [f"waiting for the API server for {seconds} s" for seconds in (2, 3, 4)]),
        (Reason.CLUSTER_UNREACHABLE, [f"cannot reach 10.0.0.{last}:6443" for last in (1, 2, 3)]),
        (Reason.CLUSTER_UNREACHABLE, [f"the API server answers {code}" for code in (500, 502, 503)]),
        (Reason.LOGIN_EXPIRED, [f"the token ended {minutes} minutes ago" for minutes in (1, 2, 3)]),
    ],
)
async def test_a_sentence_that_differs_in_a_count_or_a_name_is_shown_and_not_told(
    reason: Reason, sentences: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "kfw.test")
    async with up(FakeWorld()) as api:
        for words in sentences:
            await api.fake.clusters.say(Resolution(problem=Problem(reason, words)))
            assert api.now.message == words
        assert [status.reason for _, status in api.told] == [None, reason]
        assert len([record for record in caplog.records if reason.value in record.getMessage()]) == 1
        await api.fake.clusters.say(THERE)
        assert [status.reason for _, status in api.told] == [None, reason, None]


async def test_another_sentence_for_the_same_reason_is_told() -> None:
    async with up(FakeWorld()) as api:
        for words in (
            "no endpoint of service/api is ready",
            "the only pod of service/api is not ready: api-1",
        ):
            await api.fake.clusters.say(Resolution(problem=Problem(Reason.NO_READY_POD, words)))
        told = [status.message for _, status in api.told]
        assert told[1:] == [
            "no endpoint of service/api is ready",
            "the only pod of service/api is not ready: api-1",
        ]


async def test_each_planned_attempt_is_told_once_and_the_log_has_one_line_for_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "kfw.test")
    method = FakeMethod()
    method.failures = [KfwError(f"no answer within {n} ms", reason="unhealthy") for n in range(5)]
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        seen = {api.now.next_attempt_at}
        for pause in (1, 2, 4, 8):
            await api.fake.clock.advance(pause)
            seen.add(api.now.next_attempt_at)
        assert (len(seen), api.now.message) == (5, "no answer within 4 ms")
        planned = [status.next_attempt_at for _, status in api.told if status.next_attempt_at]
        assert len(planned) == len(set(planned)) == 5
        assert len([record for record in caplog.records if "unhealthy" in record.getMessage()]) == 1


async def test_what_a_login_wants_of_a_person_is_told_each_time_it_says_something_else() -> None:
    pending = [Problem(Reason.LOGIN_PENDING, f"open https://login/{code}") for code in ("A", "A", "B")]
    async with up(FakeWorld()) as api:
        for problem in pending:
            await api.fake.clusters.say(Resolution(problem=problem))
        assert [status.message for _, status in api.told] == ["", pending[0].message, pending[2].message]


async def test_another_endpoint_and_another_reason_are_told_whatever_the_status() -> None:
    method = FakeMethod("tunnel", "pod")
    async with up(FakeWorld(method), method="tunnel") as api:
        await api.fake.clusters.say(GONE)
        port = Problem(Reason.TARGET_PORT, "service api has no port 80")
        await api.fake.clusters.say(Resolution(problem=port))
        told = [(status.status, status.reason) for _, status in api.told]
        assert told[1:] == [(Status.ERROR, Reason.TARGET_NOT_FOUND), (Status.ERROR, Reason.TARGET_PORT)]
        for name in ("api-1", "api-2"):
            await api.fake.clusters.say(Resolution(pods=(pod(name),)))
        ends = [status.endpoint.name for _, status in api.told if status.endpoint]
        assert list(dict.fromkeys(ends)) == ["api-1", "api-2"]


# -- refused by the app

REFUSES = KfwError("nothing listens on port 8080 in pod api-1 (connection refused)", reason="app-refuses")


class RefusingTunnel(FakeTunnel):
    """See methods.base.TellsRefusals."""

    def __init__(self, endpoint: Endpoint, dialer: FakeDialer | None) -> None:
        super().__init__(endpoint, dialer)
        self.refusal: asyncio.Future[Problem] = asyncio.get_running_loop().create_future()

    async def refused(self) -> Problem:
        return await asyncio.shield(self.refusal)

    def refuse(self) -> None:
        self.ill = REFUSES
        self.refusal.set_result(Problem(Reason.APP_REFUSES, REFUSES.what))

    def listen(self) -> None:
        self.ill = None
        self.refusal = asyncio.get_running_loop().create_future()


class PodMethod(FakeMethod):
    async def open(self, request: OpenRequest) -> RefusingTunnel:
        opened = await super().open(request)
        self.tunnels[-1] = tunnel = RefusingTunnel(opened.endpoint, opened.dialer)
        return tunnel


async def lost(port: int) -> float:
    """Seconds until a connection is reset."""
    began = asyncio.get_running_loop().time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return asyncio.get_running_loop().time() - began


async def test_a_port_that_refuses_is_never_active_and_resets_soon() -> None:
    method = FakeMethod("tunnel", "pod")
    method.failures = [REFUSES] * 99
    async with up(FakeWorld(method), method="tunnel", hold=30.0, hold_refused=0.2) as api:
        await api.fake.clusters.say(THERE)
        assert 0.15 < await lost(api.now.local_port) < 2
        assert "active" not in api.statuses
        assert (api.now.reason, api.now.status) == (Reason.APP_REFUSES, Status.STARTING)
        assert api.now.message == f"{REFUSES.what}; kubectl --context test -n shop logs service/api"


async def test_the_pods_are_asked_once_which_ports_they_have() -> None:
    method = FakeMethod("tunnel", "pod")
    method.failures = [REFUSES] * 99
    async with up(FakeWorld(method), method="tunnel") as api:
        await api.fake.clusters.say(THERE)
        for _ in range(6):
            await api.fake.clock.advance(5)
        assert api.now.status is Status.ERROR
        assert api.fake.clusters.pokes == 1


async def test_that_the_pods_refuse_is_the_answer_and_no_other_method_is_asked() -> None:
    tunnel, kubectl = FakeMethod("tunnel", "pod"), FakeMethod("kubectl", "pod")
    tunnel.failures = [REFUSES] * 99
    async with up(FakeWorld(FakeMethod("nodeport"), tunnel, kubectl)) as api:
        await api.fake.clusters.say(Resolution(pods=(pod("api-1"),)))
        assert (api.now.reason, kubectl.tunnels) == (Reason.APP_REFUSES, [])


async def test_that_node_ports_refuse_is_no_answer_as_long_as_the_pods_can_be_asked() -> None:
    nodeport, tunnel = FakeMethod("nodeport"), FakeMethod("tunnel", "pod")
    nodeport.failures = [KfwError("nothing listens behind the node port", reason="app-refuses")]
    async with up(FakeWorld(nodeport, tunnel)) as api:
        await api.fake.clusters.say(THERE)
        assert (api.now.status, api.now.method) == (Status.ACTIVE, "tunnel")


async def test_a_way_that_was_up_and_refuses_is_kept_asked_again_and_used_again() -> None:
    async with echo() as port:
        method = PodMethod("tunnel", "pod", port)
        async with up(FakeWorld(method), method="tunnel", hold_refused=0.2) as api:
            await api.fake.clusters.say(THERE)
            local = api.now.local_port
            (tunnel,) = method.tunnels
            assert isinstance(tunnel, RefusingTunnel)
            tunnel.refuse()
            await settle()
            assert (api.now.status, api.now.reason) == (Status.RECONNECTING, Reason.APP_REFUSES)
            assert await lost(local) < 2
            tunnel.listen()
            await api.fake.clock.advance(1)
            assert api.now.status is Status.ACTIVE
            assert await say(b"hello", local) == b"hello"
            assert (method.tunnels, tunnel.closed, api.now.restarts) == ([tunnel], 0, 0)


async def test_a_refusal_after_it_has_come_back_is_heard_again() -> None:
    method = PodMethod("tunnel", "pod")
    async with up(FakeWorld(method), method="tunnel") as api:
        await api.fake.clusters.say(THERE)
        (tunnel,) = method.tunnels
        assert isinstance(tunnel, RefusingTunnel)
        for _ in range(3):
            tunnel.refuse()
            await settle()
            assert api.now.reason is Reason.APP_REFUSES
            tunnel.listen()
            await api.fake.clock.advance(5)
            assert api.now.status is Status.ACTIVE


async def test_a_client_that_comes_right_after_another_gets_its_attempt_when_the_interval_is_over() -> None:
    async with echo() as port:
        method = FakeMethod("tunnel", "pod", port)
        method.failures = [REFUSES] * 9
        async with up(FakeWorld(method), method="tunnel", hold_refused=20.0) as api:
            await api.fake.clusters.say(THERE)
            for _ in range(6):
                await api.fake.clock.advance(5)  # the pauses have grown
            left = len(method.failures)
            _, first = await asyncio.open_connection("127.0.0.1", api.now.local_port)
            await until(lambda: len(method.failures) == left - 1)
            first.transport.abort()
            await until(lambda: api.now.connections == 0)
            await api.fake.clock.advance(0.5)  # nobody waits any more, so the next pause is a long one
            assert len(method.failures) == left - 2
            method.failures = []
            asked = asyncio.create_task(say(b"hello", api.now.local_port))
            await until(lambda: api.now.total_connections == 2)
            await settle()
            assert not method.tunnels
            await api.fake.clock.advance(0.5)
            assert await asked == b"hello"


class SlowMethod(FakeMethod):
    """Opens, or fails, when it is told to; its tunnels go to the endpoints that they were told last."""

    def __init__(self) -> None:
        super().__init__("tunnel", "pod")
        self.go = asyncio.Event()
        self.told: list[tuple[Endpoint, ...]] = []

    async def open(self, request: OpenRequest) -> FakeTunnel:
        await self.go.wait()
        opened = await super().open(request)
        self.told.append(request.endpoints)

        def retarget(endpoints: tuple[Endpoint, ...]) -> bool:
            self.told.append(endpoints)
            return True

        opened.retarget = retarget  # type: ignore[method-assign]
        return opened


@pytest.mark.parametrize("fails", [False, True])
async def test_what_changes_while_a_way_is_opened_is_looked_at_when_that_is_over(fails: bool) -> None:
    """One endpoint stays, so the attempt goes on; it was made without the new one."""
    method = SlowMethod()
    method.failures = [KfwError("no answer", reason="unhealthy")] if fails else []
    both = Resolution(pods=(pod("api-1"), pod("api-3")))
    async with up(FakeWorld(method), method="tunnel") as api:
        await api.fake.clusters.say(Resolution(pods=(pod("api-1"), pod("api-2"))))
        await api.fake.clusters.say(both)
        assert api.now.status is Status.STARTING
        method.go.set()
        await settle()
        assert api.now.status is Status.ACTIVE, "without a pause"
        assert method.told[-1] == both.pods


async def test_an_attempt_that_does_not_end_says_after_2_s_what_it_waits_for() -> None:
    class Slow(FakeMethod):
        async def open(self, request: object) -> object:  # type: ignore[override]
            await asyncio.Event().wait()
            raise AssertionError

    async with up(FakeWorld(Slow("tunnel", "pod")), method="tunnel") as api:
        await api.fake.clusters.say(THERE)
        assert (api.now.status, api.now.message) == (Status.STARTING, "")
        await api.fake.clock.advance(2)
        assert (api.now.status, api.now.reason) == (Status.STARTING, Reason.TIMED_OUT)
        assert api.now.message == "connecting to pod api-1:8080"


@pytest.mark.parametrize(
    "defect", [ValueError(), OSError(24, "x"), RecursionError(), KeyError(), MemoryError()]
)
async def test_a_health_check_that_fails_in_a_new_way_is_a_failed_check_and_the_next_one_comes(
    defect: Exception,
) -> None:
    class Ill(FakeTunnel):
        broken_probe: Exception | None = None

        async def probe(self) -> None:
            await super().probe()
            if self.broken_probe:
                raise self.broken_probe

    class Method(FakeMethod):
        async def open(self, request: OpenRequest) -> FakeTunnel:
            await super().open(request)
            self.tunnels[-1] = Ill(self.tunnels[-1].endpoint, self.tunnels[-1].dialer)
            return self.tunnels[-1]

    method = Method()
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        [tunnel] = method.tunnels
        assert isinstance(tunnel, Ill)
        tunnel.broken_probe = defect
        await api.fake.clock.advance(15)
        assert (api.now.status, api.now.reason) == (Status.DEGRADED, Reason.INTERNAL)
        assert type(defect).__name__ in api.now.message
        tunnel.broken_probe = None
        await api.fake.clock.advance(2)
        await api.fake.clock.advance(2)
        assert api.now.status is Status.ACTIVE
        assert tunnel.closed == 0


async def test_a_status_that_cannot_be_told_ends_no_runner() -> None:
    fake = FakeWorld()
    told = list[str]()

    def tell(kind: str, status: ForwardStatus) -> None:
        told.append(status.status)
        if status.status is Status.ACTIVE and told.count("active") == 1:
            raise KeyError("a subscriber's own mistake")

    supervisor = Supervisor(fake.world, tell)
    await supervisor.up([forward()])
    await settle()
    try:
        await fake.clusters.say(THERE)
        await fake.clock.advance(1)
        await fake.clusters.say(THERE)
        assert told[-1] == "active"
    finally:
        await supervisor.close()


async def test_up_retry_and_a_connection_say_that_somebody_waits_and_a_restored_forward_does_not() -> None:
    """A login that needs a person is begun only for somebody: `True` is a command, `False` a connection."""
    fake = FakeWorld()
    async with up(fake) as watched:
        assert fake.clusters.wants == [True]
        await fake.clusters.say(Resolution(problem=Problem(Reason.LOGIN_EXPIRED, "expired")))
        watched.supervisor.retry([API])
        assert fake.clusters.wants == [True, True]
        reader, writer = await asyncio.open_connection("127.0.0.1", watched.now.local_port)
        await until(lambda: fake.clusters.wants == [True, True, False])
        writer.close()
        del reader
        watched.supervisor.recheck("the network has changed")
        await settle()
        assert fake.clusters.wants == [True, True, False]
        await watched.supervisor.up([forward()])
        assert fake.clusters.wants[3:] == [True], "who says up again waits, too"

    fake = FakeWorld()
    supervisor = Supervisor(fake.world, lambda kind, status: None)
    await supervisor.up([forward()], asked_for=False)
    await settle()
    assert fake.clusters.wants == []
    await supervisor.close()


async def test_a_login_that_waits_for_a_person_is_no_verdict_and_stops_nothing_that_serves() -> None:
    fake = FakeWorld()
    async with echo() as port, up(fake) as watched:
        del port
        pending = Problem(Reason.LOGIN_PENDING, "waiting for a login: open https://x")
        await fake.clusters.say(Resolution(problem=pending))
        assert (watched.now.status, watched.now.reason) == (Status.STARTING, Reason.LOGIN_PENDING)
        await fake.clusters.say(THERE)
        await until(lambda: watched.now.status is Status.ACTIVE)
        await fake.clusters.say(replace(THERE, problem=pending))
        assert (watched.now.status, watched.now.reason) == (Status.ACTIVE, Reason.LOGIN_PENDING)
        assert watched.supervisor.retry([]) == [API], "what serves may wait for a person, too"
