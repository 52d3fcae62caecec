"""What a connection leaves behind on its link: data that nobody reads blocks a worker of the runtime, and a download that
its client has left flows on. PINGs tell, and until they have, nobody else gets the link."""

import asyncio
from dataclasses import dataclass, field

import pytest

from kfw.methods.tunnel.pings import Quarantine
from kfw.methods.tunnel.policy import Policy
from kfw.methods.tunnel.pool_state import PoolRequest
from kfw.methods.tunnel.stream import Leave, Stream
from kfw.wire.portforward import Refusal, refused_text
from tests.methods.tunnel.far import ECHO, REFUSES, SILENT, far_side
from tests.methods.tunnel.ways import ONE_LINK, Client, client, tunnel, until

pytestmark = pytest.mark.asyncio

POLICY = Policy()


@dataclass
class Ledger:
    """A link that notes how streams leave it."""

    pod: str = "web-1"
    shared: bool = False
    left: list[tuple[Leave, bool]] = field(default_factory=list)

    def write(self, stream: Stream, data: bytes) -> None: ...
    def finish(self, stream: Stream) -> None: ...
    def pause(self, stream: Stream) -> None: ...
    def resume(self, stream: Stream) -> None: ...

    def leave(self, stream: Stream, how: Leave, *, doubtful: bool) -> None:
        self.left.append((how, doubtful))


class Nobody:
    """No pod is left to try."""

    def on_refused(self, stream: Stream, refusal: Refusal) -> bool:
        return False

    def on_returned(self, stream: Stream) -> bool:
        return False

    def on_ended(self, stream: Stream, error: Exception | None) -> None: ...


def opened() -> tuple[Stream, Ledger]:
    now = asyncio.get_running_loop().time()
    stream, link = Stream(Client(), Nobody(), PoolRequest(now, now), POLICY), Ledger()
    stream.on_opened(link)
    return stream, link


# -- which ends leave doubt


async def test_a_failure_after_data_that_the_app_has_not_answered_leaves_doubt() -> None:
    stream, link = opened()
    stream.write(b"x")
    stream.on_error_text(refused_text(8080, "s").encode())
    stream.on_error_over()
    assert link.left == [(Leave.ENDED, True)]


async def test_a_failure_without_data_and_one_after_an_answer_leave_none() -> None:
    for data, answer in ((b"", b""), (b"question", b"answer")):
        stream, link = opened()
        if data:
            stream.write(data)
            stream.data_received(answer)
        stream.on_error_text(b"the app broke off")
        stream.on_error_over()
        assert link.left == [(Leave.ENDED, False)]


async def test_data_that_was_sent_before_it_moved_here_counts_too() -> None:
    stream, _ = opened()
    stream.write(b"x")
    again = Ledger()
    stream.on_opened(again)
    stream.on_error_text(b"no")
    stream.on_error_over()
    assert again.left == [(Leave.ENDED, True)]


async def test_data_after_the_app_has_begun_to_end_is_not_sent_and_leaves_no_doubt() -> None:
    stream, link = opened()
    stream.on_closed()
    stream.write(b"x")
    stream.on_error_over()
    assert link.left == [(Leave.ENDED, False)]


@pytest.mark.parametrize(
    ("size", "pause", "doubtful"),
    [
        (POLICY.download, 0.0, True),
        (POLICY.download, 0.49, True),
        (POLICY.download, 0.51, False),
        (POLICY.download - 1, 0.0, False),
    ],
)
@pytest.mark.parametrize("how", [Leave.CLOSE, Leave.RESET])
async def test_a_client_that_leaves_while_much_comes_leaves_doubt(
    size: int, pause: float, doubtful: bool, how: Leave
) -> None:
    stream, link = opened()
    stream.data_received(bytes(size))
    await asyncio.sleep(pause)
    stream.close() if how is Leave.CLOSE else stream.abort()
    assert link.left == [(how, doubtful)]


# -- what PINGs make of it


class Asked:
    """PINGs that a test answers."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[float | None]] = []
        self.unwanted = 0
        self.settled: list[bool] = []
        self.quarantine = Quarantine(
            self._ask, lambda: self.unwanted, self.settled.append, flood=POLICY.flood
        )

    def _ask(self) -> "asyncio.Future[float | None]":
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    async def answer(self, seconds: float | None) -> None:
        self.answers[-1].set_result(seconds)
        await asyncio.sleep(0)


async def test_an_answer_clears_a_link_and_silence_condemns_it() -> None:
    for seconds, well in ((0.001, True), (None, False)):
        asked = Asked()
        asked.quarantine.suspect()
        assert asked.quarantine.active
        await asked.answer(seconds)
        assert (asked.settled, asked.quarantine.active) == ([well], False)


async def test_a_doubt_that_comes_while_pings_are_under_way_is_asked_about_again() -> None:
    asked = Asked()
    asked.quarantine.suspect()
    asked.quarantine.suspect()
    assert len(asked.answers) == 1
    await asked.answer(0.001)
    assert (asked.settled, len(asked.answers)) == ([], 2)
    await asked.answer(0.001)
    assert asked.settled == [True]


async def test_while_a_download_flows_an_answer_clears_nothing() -> None:
    asked = Asked()
    asked.quarantine.suspect()
    asked.unwanted += POLICY.flood
    assert asked.quarantine.floods
    await asked.answer(0.001)
    assert (asked.settled, len(asked.answers)) == ([], 2)
    assert not asked.quarantine.floods
    await asked.answer(0.001)
    assert asked.settled == [True]


async def test_what_came_before_a_stream_left_without_doubt_is_not_a_flood() -> None:
    asked = Asked()
    asked.unwanted = POLICY.flood
    asked.quarantine.on_left()
    assert not asked.quarantine.floods
    asked.unwanted += POLICY.flood - 1
    assert not asked.quarantine.floods
    asked.unwanted += 1
    assert asked.quarantine.floods


# -- and the pool of it


async def test_until_all_five_pings_are_answered_nobody_gets_a_link_in_doubt_and_then_it_is_used_again() -> (
    None
):
    async with far_side(apps={"web-1": REFUSES}, poisonable=False) as far, tunnel(far, hold=60) as way:
        doubted = far.tunnels[0]
        doubted.deaf = True  # to PINGs
        one = await client(way, b"data")
        await until(lambda: doubted.visits)
        doubted.visits[0].refuse()
        await until(lambda: any(link.settling for link in way.pool.links))
        far.apps["web-1"] = ECHO
        other = await client(way, b"x")
        await until(lambda: other.got == b"x" and one.got == b"data")
        assert len(doubted.visits) == 1
        await until(lambda: not any(link.settling or not link.usable for link in way.pool.links))
        assert not doubted.open


async def test_a_link_that_answers_after_a_doubt_is_free_again() -> None:
    async with far_side(apps={"web-1": SILENT}, poisonable=False) as far:
        async with tunnel(far, hold=0.0, hold_refused=0.0, policy=ONE_LINK) as way:
            one = await client(way, b"data")
            await until(lambda: far.visits and far.visits[0].got)
            far.visits[0].refuse()
            await until(lambda: one.lost)
            far.apps["web-1"] = ECHO
            await until(lambda: all(link.free for link in way.pool.links))
            other = await client(way, b"x")
            await until(lambda: other.got == b"x")
            assert len(far.tunnels) == 1
