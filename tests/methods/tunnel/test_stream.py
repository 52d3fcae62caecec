"""One connection on its link: what its relay, its link and its owner are told, and when."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from kfw.methods.tunnel.policy import Policy
from kfw.methods.tunnel.pool_state import PoolRequest
from kfw.methods.tunnel.stream import Leave, Stream
from kfw.wire.portforward import Refusal
from tests.methods.tunnel.virtual import PipeLoop

POLICY = replace(Policy(), hold_fin=10.0)


@dataclass
class Told(asyncio.Protocol):
    """The relay's end, the link and the owner in one: what each was told, in order."""

    said: list[str] = field(default_factory=list)
    pod: str = "web-1"
    shared: bool = True
    takes_back: bool = True
    on_data: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.said.append("relay: made")

    def connection_lost(self, exc: Exception | None) -> None:
        self.said.append(f"relay: lost {exc}")

    def data_received(self, data: bytes) -> None:
        self.said.append(f"relay: {data.decode()}")
        self.on_data()

    def pause_writing(self) -> None:
        self.said.append("relay: pause")

    def resume_writing(self) -> None:
        self.said.append("relay: go on")

    def write(self, stream: Stream, data: bytes) -> None:
        self.said.append(f"link: {data.decode()}")

    def finish(self, stream: Stream) -> None:
        self.said.append("link: finish")

    def leave(self, stream: Stream, how: Leave, *, doubtful: bool) -> None:
        self.said.append(f"link: leave {how.name}")

    def pause(self, stream: Stream) -> None:
        self.said.append("link: pause")

    def resume(self, stream: Stream) -> None:
        self.said.append("link: resume")

    def on_refused(self, stream: Stream, refusal: Refusal) -> bool:
        return False

    def on_returned(self, stream: Stream) -> bool:
        self.said.append("owner: returned")
        return self.takes_back

    def on_ended(self, stream: Stream, error: Exception | None) -> None:
        self.said.append(f"owner: ended {error}")

    def since(self, act: Callable[[], Any]) -> list[str]:
        """What this made it say."""
        before = len(self.said)
        act()
        return self.said[before:]


def play(scene: Callable[[Told, Stream], Coroutine[Any, Any, None]], **told: Any) -> None:
    """On a link from the start, on a loop whose clock jumps."""

    async def whole() -> None:
        world = Told(**told)
        stream = Stream(world, world, PoolRequest(0.0, 30.0), POLICY)
        stream.on_opened(world)
        await scene(world, stream)

    with asyncio.Runner(loop_factory=PipeLoop) as runner:
        runner.run(whole())


def test_the_end_of_what_the_client_says_is_held_back_from_when_it_is_said() -> None:
    async def scene(world: Told, stream: Stream) -> None:
        await asyncio.sleep(8)
        stream.write_eof()
        await asyncio.sleep(9)
        assert "link: finish" not in world.said
        await asyncio.sleep(2)
        assert world.said[-1] == "link: finish"

    play(scene)


def test_an_answer_holds_it_back_for_longer() -> None:
    async def scene(world: Told, stream: Stream) -> None:
        stream.write_eof()
        await asyncio.sleep(8)
        stream.data_received(b"")
        await asyncio.sleep(9)
        assert "link: finish" not in world.said
        await asyncio.sleep(2)
        assert world.said[-1] == "link: finish"

    play(scene)


def test_the_relay_is_stopped_once_and_told_once_to_go_on() -> None:
    async def scene(world: Told, stream: Stream) -> None:
        assert world.since(stream.pause_writing) == ["relay: pause"]
        assert world.since(stream.pause_writing) == []
        assert world.since(stream.resume_writing) == ["relay: go on"]
        assert world.since(stream.resume_writing) == []

    play(scene)


def test_nobody_is_told_anything_of_one_that_is_over() -> None:
    async def scene(world: Told, stream: Stream) -> None:
        stream.close()
        assert world.said[-2:] == ["link: leave CLOSE", "owner: ended None"]
        await asyncio.sleep(0)
        for act in (
            stream.pause_writing,
            stream.resume_writing,
            stream.pause_reading,
            stream.resume_reading,
            stream.write_eof,
            stream.close,
            stream.abort,
            lambda: stream.write(b"more"),
            stream.on_closed,
            stream.on_error_over,
        ):
            assert world.since(act) == []
        await asyncio.sleep(20)
        assert world.said[-1] == "relay: lost None"

    play(scene)


def test_reading_goes_on_when_the_relay_has_taken_all_that_waits() -> None:
    async def scene(world: Told, stream: Stream) -> None:
        stream.pause_reading()
        stream.data_received(b"answer")
        assert world.since(stream.resume_reading) == ["relay: answer", "link: resume"]

    play(scene)


def test_reading_does_not_go_on_when_the_relay_stops_it_again_meanwhile() -> None:
    async def scene(world: Told, stream: Stream) -> None:
        stream.pause_reading()
        stream.data_received(b"answer")
        world.on_data = stream.pause_reading
        assert world.since(stream.resume_reading) == ["relay: answer"]

    play(scene)


def test_one_that_its_link_takes_no_more_leaves_it_and_goes_back_to_its_owner() -> None:
    async def scene(world: Told, stream: Stream) -> None:
        said = world.since(stream.on_not_processed)
        assert said == ["link: leave RESET", "relay: pause", "owner: returned"]
        assert not stream.is_closing()

    play(scene)


def test_one_that_its_owner_does_not_take_back_is_a_reset_that_names_the_pod() -> None:
    async def scene(world: Told, stream: Stream) -> None:
        stream.on_not_processed()
        await asyncio.sleep(0)
        assert world.said.count("link: leave RESET") == 1
        assert world.said[-1] == "relay: lost the tunnel to pod web-1 takes no more connections"

    play(scene, takes_back=False)
