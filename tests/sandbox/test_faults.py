"""Each fault begins, is what it says it is, and leaves nothing behind."""

import asyncio
import json
from contextlib import ExitStack

import pytest

from kfw.sandbox.faults import KINDS, NamedFaults
from kfw.sandbox.sandbox import Sandbox
from kfw.wire.upgrade import SPDY, TUNNEL
from tests.sandbox.portforward.client import WAYS, Tunnel, asked, path, tunnel
from tests.sandbox.talk import api, ask, connect_api

pytestmark = pytest.mark.asyncio

PODS = "/api/v1/namespaces/demo/pods"
SHORT = 0.1


async def answers(client: Tunnel) -> None:
    """Every worker of the far end does, and so does the app."""
    before = client.pongs
    client.ping(5)
    one = client.open(5432)
    await client.until(lambda: client.pongs == before + 5 and client.data[one.data] != b"")


async def test_silent_says_nothing_to_old_and_new_and_then_everything(sandbox: Sandbox) -> None:
    reader, writer = await connect_api(sandbox)
    async with tunnel(sandbox, "db-0") as client:
        with sandbox.faults.silent():
            old = asyncio.create_task(ask(reader, writer, "GET", PODS))
            new = asyncio.create_task(api(sandbox, PODS))
            client.ping(5)
            with pytest.raises(TimeoutError):
                await client.until(lambda: client.pongs > 0, SHORT)
            assert not old.done()
            assert not new.done()
        assert [(await old).code, (await new).code] == [200, 200]
        await client.until(lambda: client.pongs == 5)
    writer.close()


async def test_silent_tunnels_leave_the_api_alone_and_the_other_way_round(sandbox: Sandbox) -> None:
    async with tunnel(sandbox, "db-0") as client:
        with sandbox.faults.silent(only="tunnels"):
            assert (await api(sandbox, PODS)).code == 200
            client.ping()
            with pytest.raises(TimeoutError):
                await client.until(lambda: client.pongs > 0, SHORT)
        await client.until(lambda: client.pongs == 1)
        with sandbox.faults.silent(only="requests"):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(api(sandbox, PODS), SHORT)
            await answers(client)


async def test_two_silences_end_with_the_second(sandbox: Sandbox) -> None:
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(sandbox.faults.silent())
        second.enter_context(sandbox.faults.silent())
        first.close()
        waiting = asyncio.create_task(api(sandbox, PODS))
        await asyncio.sleep(SHORT)
        assert not waiting.done()
        second.close()
        assert (await waiting).code == 200


async def test_slow_delays_every_answer(sandbox: Sandbox) -> None:
    clock = asyncio.get_running_loop().time
    async with tunnel(sandbox, "db-0") as client:
        with sandbox.faults.slow(0.15):
            began = clock()
            assert (await api(sandbox, PODS)).code == 200
            assert clock() - began >= 0.15
            began = clock()
            client.ping()
            await client.until(lambda: client.pongs == 1)
            assert clock() - began >= 0.15
        client.ping()
        await client.until(lambda: client.pongs == 2, 0.15)


@pytest.mark.parametrize("way", WAYS)
async def test_reset_ends_live_tunnels_and_refuses_new_ones_with_a_reset(sandbox: Sandbox, way: str) -> None:
    async with tunnel(sandbox, "db-0", way) as client:
        with sandbox.faults.reset():
            assert await client.ended() == "reset"
            with pytest.raises(ConnectionError):
                await api(sandbox, PODS)
    assert (await api(sandbox, PODS)).code == 200


async def test_refuse_closes_the_port_and_nothing_that_is_open(sandbox: Sandbox) -> None:
    port = sandbox.port
    async with tunnel(sandbox, "db-0") as client:
        with sandbox.faults.refuse():
            with pytest.raises(ConnectionRefusedError):
                await api(sandbox, PODS)
            await answers(client)
        assert (await api(sandbox, PODS)).code == 200
        assert sandbox.port == port


async def test_an_api_that_was_stopped_meanwhile_stays_so(sandbox: Sandbox) -> None:
    with sandbox.faults.refuse():
        await sandbox.stop_api()
    with pytest.raises(ConnectionRefusedError):
        await api(sandbox, PODS)
    await sandbox.start_api()
    assert (await api(sandbox, PODS)).code == 200


async def test_an_api_that_is_started_in_a_silence_is_silent(sandbox: Sandbox) -> None:
    await sandbox.stop_api()
    with sandbox.faults.silent():
        await sandbox.start_api()
        waiting = asyncio.create_task(api(sandbox, PODS))
        await asyncio.sleep(SHORT)
        assert not waiting.done()
    assert (await waiting).code == 200


@pytest.mark.parametrize("way", WAYS)
async def test_malformed_is_an_error_of_the_wire_for_live_and_new_tunnels(sandbox: Sandbox, way: str) -> None:
    async with tunnel(sandbox, "db-0", way) as client:
        with sandbox.faults.malformed(only="tunnels"):
            assert "the far side" in await client.ended()
            async with tunnel(sandbox, "db-0", way) as new:
                new.open(5432)
                assert "the far side" in await new.ended()
    async with tunnel(sandbox, "db-0", way) as client:
        await answers(client)


async def test_malformed_answers_are_no_http(sandbox: Sandbox) -> None:
    with sandbox.faults.malformed(b"SSH-2.0-OpenSSH\r\n"):
        reader, writer = await connect_api(sandbox)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.read() == b"SSH-2.0-OpenSSH\r\n"
        writer.close()


async def test_forbidden_is_403_for_the_verbs_it_names(sandbox: Sandbox) -> None:
    with sandbox.faults.forbidden("list endpoints", "create pods/portforward"):
        assert (await api(sandbox, "/api/v1/namespaces/demo/endpoints")).code == 403
        assert (await api(sandbox, PODS)).code == 200
        reply = await api(sandbox, path("db-0"), method="POST")
        assert (reply.code, reply.json["reason"]) == (403, "Forbidden")
        answer, _, writer = await asked(sandbox, TUNNEL, path("db-0"))
        assert answer.status == 101
        writer.transport.abort()
    assert (await api(sandbox, "/api/v1/namespaces/demo/endpoints")).code == 200


async def test_forbidden_alone_means_all_port_forwards(sandbox: Sandbox) -> None:
    with sandbox.faults.forbidden():
        for way in (SPDY, TUNNEL):
            answer, _, writer = await asked(sandbox, way, path("db-0"))
            writer.transport.abort()
            assert answer.status == 403
            assert json.loads(answer.body)["details"] == {"name": "db-0", "kind": "pods"}


async def test_an_expired_login_is_401_and_what_is_open_goes_on(sandbox: Sandbox) -> None:
    sandbox.add_user("dev", "demo")
    (token,) = sandbox.users.by_token
    async with tunnel(sandbox, "db-0", token=token) as client:
        with sandbox.faults.expired_login("dev"):
            answer, _, writer = await asked(sandbox, SPDY, path("db-0"), token)
            assert answer.status == 401
            writer.transport.abort()
            assert (await api(sandbox, PODS)).code == 200
            await answers(client)
        with sandbox.faults.expired_login():
            assert (await api(sandbox, PODS)).code == 401


async def test_expired_watches_are_410_at_once_and_lists_are_answered(sandbox: Sandbox) -> None:
    reader, writer = await connect_api(sandbox)
    version = (await api(sandbox, PODS)).json["metadata"]["resourceVersion"]
    watch = f"{PODS}?watch=1&resourceVersion={version}"
    writer.write(f"GET {watch} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    with sandbox.faults.expired_watches():
        await reader.readline()  # the chunk's length
        frame = json.loads(await reader.readline())
        assert (frame["type"], frame["object"]["code"]) == ("ERROR", 410)
        assert (await api(sandbox, watch)).code == 410
        assert (await api(sandbox, PODS)).code == 200
    writer.close()


async def test_goaway_lets_live_connections_go_on_and_takes_no_more(sandbox: Sandbox) -> None:
    async with tunnel(sandbox, "db-0") as client, tunnel(sandbox, "db-0") as other:
        one = client.open(5432)
        await client.until(lambda: client.data[one.data] != b"")
        with sandbox.faults.goaway(after=1):
            await client.until(lambda: client.goaway is not None)
            late = client.open(5432)
            await client.until(lambda: client.has("rst", late.data))
            client.write(one, b"still")
            await client.until(lambda: client.data[one.data].endswith(b"still"))
            assert other.goaway is None
            other.open(5432)
            await other.until(lambda: other.goaway is not None)
    async with tunnel(sandbox, "db-0") as fresh:
        await answers(fresh)
        assert fresh.goaway is None


async def test_what_came_before_goaway_is_served_and_what_came_after_is_refused(sandbox: Sandbox) -> None:
    async with tunnel(sandbox, "db-0") as client:
        with sandbox.faults.goaway(after=1):
            opened = [client.open(5432) for _ in range(3)]
            await client.until(lambda: client.goaway is not None)
            assert client.goaway is not None
            last = client.goaway.last_stream
            opened.append(client.open(5432))
            await client.until(
                lambda: all(client.data[one.data] or client.has("rst", one.data) for one in opened)
            )
            served = [one.data for one in opened if client.data[one.data]]
            assert served == [one.data for one in opened if one.data <= last]


async def test_poisoned_tunnels_answer_four_pings_of_five_and_new_ones_all(sandbox: Sandbox) -> None:
    async with tunnel(sandbox, "db-0") as client:
        await answers(client)
        with sandbox.faults.poisoned(worker=2):
            client.ping(5)
            await client.until(lambda: client.pongs == 9)
            with pytest.raises(TimeoutError):
                await client.until(lambda: client.pongs > 9, SHORT)
            async with tunnel(sandbox, "db-0") as fresh:
                await answers(fresh)
        await client.until(lambda: client.pongs == 10)
        await answers(client)


@pytest.mark.parametrize("way", [SPDY, TUNNEL])
async def test_ways_in_can_be_refused_one_by_one(sandbox: Sandbox, way: str) -> None:
    statuses = []
    with sandbox.faults.without(way, status=404):
        for asked_for in (SPDY, TUNNEL):
            answer, _, writer = await asked(sandbox, asked_for, path("db-0"))
            writer.transport.abort()
            statuses.append(answer.status)
    assert statuses == [404 if one == way else 101 for one in (SPDY, TUNNEL)]


@pytest.mark.parametrize("name", KINDS)
async def test_each_can_be_begun_and_ended_by_name_twice_without_harm(sandbox: Sandbox, name: str) -> None:
    faults = NamedFaults(sandbox.faults)
    faults.begin(name)
    faults.begin(name)
    assert faults.begun == (name,)
    faults.end(name)
    faults.end(name)
    assert faults.begun == ()
    async with tunnel(sandbox, "db-0") as client:
        await answers(client)


async def test_all_of_them_at_once_are_taken_back_in_any_order(sandbox: Sandbox) -> None:
    faults = NamedFaults(sandbox.faults)
    for name in KINDS:
        faults.begin(name)
    for name in KINDS:
        faults.end(name)
    async with tunnel(sandbox, "db-0") as client:
        await answers(client)
    assert (await api(sandbox, f"{PODS}?watch=1&timeoutSeconds=0.01")).code == 200
