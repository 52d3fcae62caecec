import asyncio

import pytest

from kfw.sandbox.api.kinds import PODS
from kfw.sandbox.manifests import deployment, port, service
from kfw.sandbox.sandbox import Sandbox
from tests.sandbox.talk import ask, close, connect, get

pytestmark = pytest.mark.asyncio


async def test_every_ready_pod_gets_its_turn(sandbox: Sandbox) -> None:
    told = {(await get(sandbox, "web")).json["pod"] for _ in range(4)}
    assert told == {pod["metadata"]["name"] for pod in sandbox.pods("demo", "web")}


async def test_every_node_serves_every_node_port(sandbox: Sandbox) -> None:
    for node in sandbox.nodes:
        reader, writer = await connect(sandbox, "web", node=node)
        assert (await ask(reader, writer, "GET", "/")).code == 200
        await close(writer)


async def test_with_traffic_policy_local_only_pods_of_that_node_are_reached(sandbox: Sandbox) -> None:
    one = service("demo", "web", port(80, "http"))
    sandbox.apply({**one, "spec": {**one["spec"], "externalTrafficPolicy": "Local"}})
    await sandbox.quiet()
    for node in sandbox.nodes:
        for _ in range(3):
            reader, writer = await connect(sandbox, "web", node=node)
            assert (await ask(reader, writer, "GET", "/")).json["node"] == node
            await close(writer)


async def test_without_a_ready_pod_the_node_port_refuses_and_then_serves_again(sandbox: Sandbox) -> None:
    sandbox.scale("deployments", "demo", "web", 0)
    await sandbox.until(lambda: not sandbox.pods("demo", "web"))
    await sandbox.quiet()
    with pytest.raises(ConnectionRefusedError):
        await connect(sandbox, "web")
    sandbox.scale("deployments", "demo", "web", 1)
    await sandbox.settled()
    assert (await get(sandbox, "web")).code == 200


async def test_an_unready_pod_gets_nothing(sandbox: Sandbox) -> None:
    first, second = (pod["metadata"]["name"] for pod in sandbox.pods("demo", "web"))
    sandbox.annotate("pods", "demo", first, ready="false")
    await sandbox.until(lambda: len(sandbox.pods("demo", "web")) == 1)
    assert {(await get(sandbox, "web")).json["pod"] for _ in range(3)} == {second}


async def test_a_node_port_changes_with_its_service(sandbox: Sandbox) -> None:
    before = sandbox.node_port("demo", "web")
    other = before + 1 if before < 32000 else before - 1
    sandbox.apply(service("demo", "web", port(80, "http", node=other)))
    await sandbox.quiet()
    assert (await get(sandbox, "web")).code == 200
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(sandbox.nodes["sandbox-worker"], before)


async def test_ports_lead_where_they_say(sandbox: Sandbox) -> None:
    sandbox.apply(deployment("demo", "two", ports={"http": 8080, "admin": 9090}))
    sandbox.apply(service("demo", "two", port(80, "http"), port(81, "admin", 9090)))
    await sandbox.settled()
    for number, target in ((80, 8080), (81, 9090)):
        address = sandbox.nodes["sandbox-worker"], sandbox.node_port("demo", "two", number)
        reader, writer = await asyncio.open_connection(*address)
        assert (await ask(reader, writer, "GET", "/")).json["port"] == target
        await close(writer)


async def test_a_port_that_no_container_serves_resets_the_connection(sandbox: Sandbox) -> None:
    sandbox.apply(service("demo", "web", port(80, "http", 7777)))
    await sandbox.quiet()
    with pytest.raises(ConnectionResetError):  # while connecting or after it
        reader, _ = await connect(sandbox, "web")
        await reader.readexactly(1)


async def test_a_pod_that_is_killed_takes_its_connections_with_it(sandbox: Sandbox) -> None:
    reader, writer = await connect(sandbox, "db")
    assert (await reader.readline()) == b"hello from db-0\n"
    sandbox.delete("pods", "demo", "db-0", grace=0)
    assert await reader.read() == b""
    writer.close()


async def test_a_pod_that_drains_keeps_its_connections_until_they_end(sandbox: Sandbox) -> None:
    reader, writer = await connect(sandbox, "web")
    name = (await ask(reader, writer, "GET", "/")).json["pod"]
    sandbox.delete("pods", "demo", name)
    await sandbox.until(lambda: len(sandbox.pods("demo", "web")) == 2)
    others = {(await get(sandbox, "web")).json["pod"] for _ in range(3)}
    assert name not in others
    assert (await ask(reader, writer, "GET", "/")).json["pod"] == name
    assert await reader.read() == b""  # the answer said `connection: close`
    await close(writer)
    await sandbox.until(lambda: sandbox.store.find(PODS, "demo", name) is None)


async def test_a_pod_that_drains_is_cut_when_its_grace_is_over(sandbox: Sandbox) -> None:
    reader, writer = await connect(sandbox, "db")
    await reader.readline()
    sandbox.delete("pods", "demo", "db-0", grace=1)
    writer.write(b"still there?\n")
    assert await reader.readline() == b"still there?\n"
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()


async def test_the_last_pod_serves_on_while_it_terminates(sandbox: Sandbox) -> None:
    sandbox.scale("deployments", "demo", "web", 1)
    await sandbox.settled()
    (pod,) = sandbox.pods("demo", "web")
    sandbox.annotate("pods", "demo", pod["metadata"]["name"], drain="5s")
    sandbox.scale("deployments", "demo", "web", 0)
    await sandbox.until(lambda: not sandbox.pods("demo", "web"))
    assert (await get(sandbox, "web")).json["pod"] == pod["metadata"]["name"]


async def test_a_crash_cuts_connections_backs_off_and_comes_back(sandbox: Sandbox) -> None:
    reader, writer = await connect(sandbox, "db")
    await reader.readline()
    sandbox.annotate("pods", "demo", "db-0", crash_after="0s")
    assert await reader.read() == b""
    writer.close()
    await sandbox.until(lambda: not sandbox.pods("demo", "db"))
    (status,) = sandbox.get("pods", "demo", "db-0")["status"]["containerStatuses"]
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["restartCount"] == 1
    sandbox.annotate("pods", "demo", "db-0", crash_after="never")
    await sandbox.until(lambda: bool(sandbox.pods("demo", "db")))


async def test_a_pod_whose_ports_are_closed_is_ready_and_refuses_and_what_lives_goes_on(
    sandbox: Sandbox,
) -> None:
    _, before = await connect(sandbox, "web")
    for pod in sandbox.pods("demo", "web"):
        sandbox.annotate("pods", "demo", pod["metadata"]["name"], listen="false")
    await sandbox.quiet()
    await asyncio.sleep(0.1)
    assert sandbox.pods("demo", "web")
    with pytest.raises(ConnectionResetError):
        reader, _ = await connect(sandbox, "web")
        await reader.readexactly(1)
    assert not before.transport.is_closing()
    await close(before)
