"""The same tunnel over raw SPDY and SPDY in WebSocket; in the clear and inside TLS."""

import asyncio
import hashlib

import pytest

from kfw.errors import KfwError
from kfw.methods.tunnel.policy import Policy
from kfw.model import Health
from kfw.relay.dialer import DialFailed
from kfw.wire import upgrade, websocket
from kfw.wire.codec import Role
from tests.kube import certificates
from tests.kube.test_api_server import serves
from tests.methods.tunnel.far import REFUSES, SILENT, App, Far, FarTunnel, Refusal, far_side, refused_text
from tests.methods.tunnel.ways import Client, client, server, tunnel, until

pytestmark = pytest.mark.asyncio

RAW, WEBSOCKET = WAYS = (upgrade.SPDY, upgrade.TUNNEL)


def only(way: str) -> dict[str, Refusal]:
    """What a far side answers that knows but this one."""
    return {other: Refusal(400) for other in WAYS if other != way}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_megabyte_each_way_in_odd_pieces(way: str, encrypted: bool) -> None:
    blocks = [bytes([number % 251]) * (3_001 * number % 70_000 + 1) for number in range(40)]
    whole = hashlib.sha256(b"".join(blocks)).hexdigest()
    ca = certificates.ca() if encrypted else b""
    async with far_side(serves("127.0.0.1") if encrypted else None, answers=only(way)) as far:
        async with tunnel(far, at=server(far, ca=ca)) as opened:
            one = await client(opened)
            for block in blocks:
                one.say(block)
            await until(lambda: len(one.got) == sum(map(len, blocks)))
            assert hashlib.sha256(one.got).hexdigest() == whole
            assert far.visits[0].tunnel.way == way


@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_connection_goes_to_another_pod(way: str) -> None:
    async with far_side(answers=only(way), apps={"web-1": REFUSES}) as far:
        async with tunnel(far, "web-1", "web-2") as opened:
            one = await client(opened, b"hello")
            await until(lambda: one.got == b"hello")
            assert [visit.got for visit in far.visits if visit.pod == "web-2"] == [b"hello"]


@pytest.mark.parametrize("way", WAYS)
async def test_the_apps_close_and_its_reset_reach_the_client(way: str) -> None:
    async with far_side(answers=only(way), apps={"web-1": SILENT}) as far, tunnel(far) as opened:
        one, other = await client(opened, b"1"), await client(opened, b"2")
        await until(lambda: len(far.visits) == 2 and all(visit.got for visit in far.visits))
        first, second = sorted(far.visits, key=lambda visit: visit.got)
        first.say(b"bye")
        first.close()
        await until(lambda: one.eof)
        assert one.got == b"bye"
        second.reset()
        await until(lambda: other.lost)
        assert isinstance(other.lost[0], ConnectionResetError)


@pytest.mark.parametrize("way", WAYS)
async def test_a_slow_client_stops_only_itself(way: str) -> None:
    async with far_side(answers=only(way)) as far, tunnel(far) as opened:
        slow, quick = await client(opened, b"x"), await client(opened, b"x")
        await until(lambda: slow.got and quick.got)
        slow.transport.pause_reading()
        for _ in range(100):
            far.visits[0].say(bytes(65536))
        quick.say(b"y")
        await until(lambda: quick.got == b"xy")
        assert len(slow.got) == 1
        slow.transport.resume_reading()
        await until(lambda: len(slow.got) == 1 + 100 * 65536)


@pytest.mark.parametrize("way", WAYS)
async def test_a_far_side_that_breaks_off_resets_the_client(way: str) -> None:
    async with far_side(answers=only(way), apps={"web-1": SILENT}) as far, tunnel(far) as opened:
        one = await client(opened, b"x")
        await until(lambda: far.visits)
        far.visits[0].tunnel.abort()
        await until(lambda: one.lost)
        assert isinstance(one.lost[0], ConnectionResetError)


# -- WebSocket


async def test_what_came_before_the_close_of_a_websocket_is_handed_over() -> None:
    async with far_side(answers=only(WEBSOCKET), apps={"web-1": SILENT}) as far, tunnel(far) as opened:
        one = await client(opened)
        await until(lambda: far.visits)
        far.visits[0].say(b"last words")
        assert far.tunnels[0]._socket
        far.tunnels[0].writer.write(far.tunnels[0]._socket.close())
        await until(lambda: one.lost)
        assert one.got == b"last words"


async def test_a_ping_of_a_websocket_is_answered() -> None:
    async with far_side(answers=only(WEBSOCKET)) as far, tunnel(far):
        assert far.tunnels[0]._socket
        far.tunnels[0].writer.write(far.tunnels[0]._socket.ping(b"there?"))
        await until(lambda: far.tunnels[0].websocket_pongs == [b"there?"])


async def test_inside_tls_nothing_is_masked_and_outside_everything_is() -> None:
    for encrypted in (False, True):
        async with far_side(serves("127.0.0.1") if encrypted else None, answers=only(WEBSOCKET)) as far:
            ca = certificates.ca() if encrypted else b""
            async with tunnel(far, at=server(far, ca=ca)) as opened:
                one = await client(opened, b"a secret")
                await until(lambda one=one: one.got == b"a secret")
                assert (b"a secret" in b"".join(made.raw for made in far.tunnels)) is encrypted


# -- what is proved before a way is there


@pytest.mark.parametrize("way", WAYS)
async def test_a_port_that_nothing_listens_on_is_said_in_a_few_words(way: str) -> None:
    async with far_side(answers=only(way), apps={"web-1": REFUSES}) as far:
        with pytest.raises(KfwError) as said:
            async with tunnel(far, health=Health(timeout=60)):
                pass
        assert said.value.what == "nothing listens on port 8080 in pod web-1 (connection refused)"
        assert said.value.reason == "app-refuses"
        await until(lambda: not far.open)


async def test_nothing_is_left_of_a_way_that_could_not_be_opened() -> None:
    async with far_side(apps={"web-1": App(lambda visit: visit.fail(refused_text(8080, "s")))}) as far:
        before = asyncio.all_tasks()
        with pytest.raises(KfwError):
            async with tunnel(far, health=Health(timeout=60)):
                pass
        assert asyncio.all_tasks() - before - far.tasks == set()


async def test_bad_frames_one_after_the_other_end_one_link_each_and_leave_nothing() -> None:
    async with far_side() as far, tunnel(far, policy=Policy(linger=0.01)) as opened:
        for _ in range(50):
            one = await client(opened, b"x")
            await until(lambda one=one: one.got)
            far.visits[-1].tunnel.writer.write(b"\x80\x09" + bytes(4096))
            await until(lambda one=one: one.lost)
        assert len(opened.pool.links) < 5
        assert len(opened.pool._streams) == 0


class _Nodeless(Far):
    """An API server that cannot reach the pods' node now. In WebSocket it says yes first, and closes then."""

    away = False

    async def _upgraded(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[FarTunnel | None, bytes]:
        tunnel, rest = await super()._upgraded(reader, writer)
        if tunnel is None or not self.away:
            return tunnel, rest
        writer.write(websocket.WebSocketConnection(Role.SERVER).close())
        await writer.drain()
        return None, b""


async def test_a_websocket_that_breaks_as_soon_as_it_is_made_gets_no_connection() -> None:
    """The connection is tried again: the app has nothing of it. And nothing of the link is left behind."""
    far = _Nodeless(answers=only(WEBSOCKET))
    await far.start()
    try:
        async with tunnel(far) as opened:
            far.away = True
            for one in far.tunnels:
                one.abort()
            await until(lambda: "over nothing" in opened.how)
            with pytest.raises(DialFailed, match="broke at once") as failed:
                await asyncio.wait_for(opened.dial(Client), 60)
            assert failed.value.safe
    finally:
        await far.stop()
