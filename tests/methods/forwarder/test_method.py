"""The method forwarder with a stub for docker: which way it takes, what it shares, what it says, what it leaves behind."""

import asyncio
import json
import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kfw.errors import KfwError
from kfw.methods.forwarder.container import IMAGE, owner
from kfw.methods.forwarder.kind_nodes import Engines
from kfw.methods.forwarder.method import Direct, Forwarder, ForwarderTunnel
from kfw.model import Endpoint, Reason
from kfw.relay.dialer import DialFailed
from kfw.system import process_identity
from kfw.system.process import Children
from tests.methods.forwarder.conftest import Open, node, way
from tests.relay.world import App, answer_after_eof, app, listening, silent_port
from tests.stubs.engine import Engine

pytestmark = pytest.mark.asyncio


async def said_by(tunnel: ForwarderTunnel, data: bytes) -> bytes:
    """Through kfw's listener: everything that comes back to everything that was said."""
    async with listening(tunnel) as port:
        reader, writer = await port.client()
        writer.write(data)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer


async def test_a_connection_goes_through_the_container_to_the_node(opened: Open, backend: App) -> None:
    tunnel = await opened(backend.port)
    assert await said_by(tunnel, b"x" * 100_000) == b"x" * 100_000
    assert tunnel.endpoint.name == "localhost"
    assert "through the container kfw-forwarder-dev-" in tunnel.how


async def test_half_close_goes_through(opened: Open) -> None:
    async with app(answer_after_eof) as late:
        tunnel = await opened(late.port)
        assert await said_by(tunnel, b"all") == b"got all"


async def test_forwards_of_a_cluster_share_one_container_which_ends_with_the_last(
    opened: Open, backend: App, engine: Engine
) -> None:
    one, two = await asyncio.gather(opened(backend.port), opened(backend.port, name="web"))
    assert len(engine.calls("run")) == 1
    assert one.pid == two.pid
    await one.close()
    assert await said_by(two, b"still") == b"still"
    assert two.pid
    await two.close()
    assert process_identity.look(two.pid) is None


async def test_a_node_that_the_container_does_not_know_gets_another_one(
    opened: Open, backend: App, engine: Engine
) -> None:
    first = await opened(backend.port)
    engine.has(node(), node("ip6-localhost"))
    second = await opened(backend.port, "localhost", "ip6-localhost")
    assert len(engine.calls("run")) == 1  # what docker said holds for a moment
    assert first.pid == second.pid


async def test_a_port_that_the_node_publishes_itself_needs_no_container(
    opened: Open, backend: App, engine: Engine
) -> None:
    ports = {"30080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(backend.port)}]}
    engine.has(node(ports=ports))
    tunnel = await opened(30080)
    assert await said_by(tunnel, b"direct") == b"direct"
    assert tunnel.how == f"docker publishes it on 127.0.0.1:{backend.port}"
    assert engine.calls("run") == []
    assert tunnel.pid is None


async def test_a_container_that_ends_breaks_the_way_at_once(
    opened: Open, backend: App, engine: Engine
) -> None:
    tunnel = await opened(backend.port)
    waiting = asyncio.ensure_future(tunnel.broken())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert tunnel.pid
    os.killpg(tunnel.pid, 9)
    problem = await asyncio.wait_for(waiting, 2)
    assert problem.reason is Reason.CHILD_EXITED
    assert problem.message == "docker was killed by SIGKILL"
    await tunnel.close()
    assert engine.calls("rm")[0][-1].startswith(
        "kfw-forwarder-dev-"
    )  # docker's command was killed, not the container
    again = await opened(backend.port)
    assert await said_by(again, b"back") == b"back"


async def test_a_node_port_that_refuses_is_told_before_the_app_got_anything(
    opened: Open, backend: App
) -> None:
    tunnel = await opened(backend.port)
    gone = ForwarderTunnel(way(1), tunnel._connect, "")
    with pytest.raises(DialFailed, match="the forwarder container cannot connect to it") as caught:
        await gone.dial(asyncio.Protocol)
    assert caught.value.safe


async def test_it_is_no_proxy_to_anything_but_the_clusters_nodes(opened: Open, backend: App) -> None:
    tunnel = await opened(backend.port)
    other = ForwarderTunnel(way(backend.port, "127.0.0.1"), tunnel._connect, "")
    with pytest.raises(DialFailed):
        await other.dial(asyncio.Protocol)
    assert backend.visits == 1  # the probe of the first


async def test_another_node_port_needs_another_way(opened: Open, backend: App) -> None:
    tunnel = await opened(backend.port)
    assert tunnel.retarget(way(backend.port, "localhost", "new").endpoints)
    assert not tunnel.retarget(way(backend.port + 1).endpoints)
    assert not tunnel.retarget((Endpoint("node", "new", "192.0.2.9", backend.port),))


# -- when it cannot be


async def refused(forwarder: Forwarder, *args: Any, **how: Any) -> KfwError:
    with pytest.raises(KfwError) as caught:
        await forwarder.open(way(*args, **how))
    return caught.value


async def test_a_context_that_kind_did_not_create_starts_nothing(
    forwarder: Forwarder, engine: Engine
) -> None:
    error = await refused(forwarder, 30080, context="gke_shop")
    assert error.what.startswith("the context gke_shop was not created by kind")
    unfit = forwarder.unfit(way(30080, context="gke_shop").forward)
    assert unfit and unfit.message == error.what
    assert forwarder.unfit(way(30080).forward) is None
    assert engine.calls("ps") == []


async def test_a_cluster_of_that_name_elsewhere_is_another_one(forwarder: Forwarder, engine: Engine) -> None:
    engine.has(node("dev-worker", cluster="dev-2"))
    assert (await refused(forwarder, 30080)).what == "docker has no containers of the kind cluster dev"
    engine.has(node("dev-control-plane"))
    assert (await refused(forwarder, 30080)).what == "none of the nodes localhost runs in this docker"
    assert engine.calls("run") == []


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        ("paused", "docker unpause localhost"),
        ("exited", "docker start localhost"),
        ("created", "docker ps --all"),
    ],
)
async def test_a_node_that_does_not_run_is_told_with_the_line_that_wakes_it(
    forwarder: Forwarder, engine: Engine, status: str, fix: str
) -> None:
    engine.has({**node(), "State": {"Status": status}})
    error = await refused(forwarder, 30080)
    assert error.fix == fix
    assert ("paused" in error.what) == (status == "paused")


async def test_an_engine_that_refuses_is_told_with_its_own_fix(forwarder: Forwarder, engine: Engine) -> None:
    engine.is_a(
        {"ServerErrors": ["permission denied while trying to connect to the docker API at unix:///x"]}
    )
    with pytest.raises(KfwError, match="permission denied") as caught:
        await forwarder._engines.of(None).why_not_direct()
    assert "usermod -aG docker" in caught.value.fix or "log in as" in caught.value.fix


@pytest.mark.parametrize(("method", "times"), [("auto", 1), ("forwarder", 2)])
async def test_why_the_container_did_not_start_is_in_dockers_words_and_auto_does_not_try_again_soon(
    forwarder: Forwarder, engine: Engine, method: str, times: int
) -> None:
    engine.fails_to_run(
        "Unable to find image 'x' locally\ndocker: Error response from daemon: pull access denied."
    )
    for _ in range(2):
        error = await refused(forwarder, 30080, method=method)
        assert "docker: Error response from daemon: pull access denied." in error.what
        assert "KFW_FORWARDER_IMAGE" in error.fix
    assert len(engine.calls("run")) == times


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("docker: permission denied while trying to connect to the docker API at unix:///s", "docker"),
        ("docker: Error response from daemon: write /x: no space left on device", "docker system prune"),
        ("docker: Error response from daemon: network kind not found", "docker network ls"),
        ("docker: Error: Bind for 127.0.0.1:80 failed: port is already allocated", "free port 80"),
        ("docker: Error: dial tcp: lookup registry-1.docker.io: no such host", "KFW_FORWARDER_IMAGE"),
        ("docker: toomanyrequests: You have reached your pull rate limit", "KFW_FORWARDER_IMAGE"),
        ("docker: something new", "KFW_FORWARDER_IMAGE"),
    ],
)
async def test_the_fix_fits_why_the_container_did_not_start(
    forwarder: Forwarder, engine: Engine, words: str, fix: str
) -> None:
    engine.fails_to_run(words)
    error = await refused(forwarder, 30080)
    assert words in error.what
    assert fix in error.fix


async def test_a_far_side_that_does_not_answer_leaves_no_container(
    forwarder: Forwarder, engine: Engine
) -> None:
    error = await refused(forwarder, 1)
    assert error.reason == Reason.APP_REFUSES
    assert len(engine.calls("run")) == 1  # the fixture `children` proves that it has ended


@pytest.mark.parametrize(
    ("named", "here", "taken"),
    [("mine:1", "sha256:local", "mine:1"), ("", "sha256:local", "sha256:local"), ("", "", IMAGE)],
)
async def test_the_image_is_the_users_else_one_that_is_here_else_a_public_one(
    opened: Open,
    backend: App,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
    here: str,
    taken: str,
) -> None:
    monkeypatch.setenv("KFW_FORWARDER_IMAGE", named)
    (engine.home / "images").write_text(here)
    await opened(backend.port)
    assert engine.calls("run")[0][-3] == taken


async def test_B17_what_a_killed_kfw_left_is_removed_and_nobody_elses(
    opened: Open, backend: App, engine: Engine
) -> None:
    me = process_identity.look(os.getpid())
    assert me
    containers = [
        _ours("left", owner(), "99999999:gone"),
        _ours("other-process-of-ours", owner(), f"{me.pid}:{me.start}"),
        _ours("another-users", "somebody", "99999999:gone"),
        node("kfw-forwarder-dev-1", cluster="x"),  # a stranger with a look-alike name
    ]
    engine.has(node(), *containers)
    await opened(backend.port)
    assert engine.calls("rm") == [["rm", "--force", "--volumes", "left"]]


def _ours(name: str, whose: str, process: str) -> dict[str, Any]:
    labels = {"io.kfw.owner": whose, "io.kfw.process": process, "io.kfw.forwarder": "dev"}
    return {**node(name), "Id": name, "Config": {"Labels": labels}}


# -- chosen by the runtime


LINUX = {"Name": "box", "OperatingSystem": "Debian", "ServerVersion": "28"}


async def test_with_auto_it_goes_where_a_wall_is(opened: Open, backend: App) -> None:
    assert await said_by(await opened(backend.port, method="auto"), b"hi") == b"hi"


async def test_with_auto_it_is_no_use_where_the_host_reaches_its_containers(
    forwarder: Forwarder, engine: Engine
) -> None:
    engine.is_a(LINUX)
    error = await refused(forwarder, 30080, method="auto")
    assert (
        error.what
        == "a Docker Engine on this Linux routes to its containers, so another one would not reach more"
    )
    assert engine.calls("run") == []


@pytest.fixture
def direct(engine: Engine, children: Children) -> Direct:
    return Direct(Engines(children))


async def test_with_auto_walled_addresses_are_given_up_as_soon_as_the_engine_says_so(direct: Direct) -> None:
    with ExitStack() as stack:
        silent = Endpoint("node", "localhost", "127.0.0.1", silent_port(stack))
        began = time.monotonic()
        with pytest.raises(KfwError, match="Docker Desktop keeps the addresses of its containers to itself"):
            await direct.open(replace(way(silent.port, method="auto"), endpoints=(silent,)))
        assert time.monotonic() - began < 1.9  # the probe alone takes 2 s


async def test_addresses_that_answer_are_taken_whatever_the_engine_is(
    direct: Direct, backend: App, engine: Engine
) -> None:
    near = way(backend.port, method="auto")
    here = Endpoint("node", "localhost", "127.0.0.1", backend.port)
    tunnel = await direct.open(replace(near, endpoints=(here,)))
    assert tunnel.endpoint == here
    assert engine.calls("info") == []


async def test_nodeport_by_name_is_probed_to_the_end(direct: Direct, engine: Engine) -> None:
    with pytest.raises(KfwError, match=r"(for|of) service/api"):
        await direct.open(way(30080, method="nodeport"))
    assert engine.calls("info") == []


async def test_questions_are_asked_once_for_forwards_that_are_opened_together(
    opened: Open, backend: App, engine: Engine
) -> None:
    await asyncio.gather(*(opened(backend.port, name=f"f{n}") for n in range(5)))
    inspected = [call for call in engine.calls("inspect") if "id-localhost" in call]
    assert len(inspected) == 1
    assert json.dumps(engine.calls("ps")[0]).count("label=") == 1


async def test_the_docker_is_that_of_the_environment_that_wants_the_forward(
    children: Children, engine: Engine, tmp_path: Path
) -> None:
    """`engine` is this process's; somebody else's shell has another one, or none."""
    engine.has(node())
    forwarder = Forwarder(children)
    nowhere = {"PATH": str(tmp_path), "HOME": "/"}
    missing = forwarder.missing(nowhere)
    assert missing and "cannot find docker" in missing.what
    assert forwarder.missing(dict(os.environ)) is None
    with pytest.raises(KfwError, match="cannot find docker on PATH"):
        await forwarder.open(replace(way(30080), environ=nowhere))
    assert engine.calls("ps") == []


async def test_environments_that_lead_to_one_docker_share_what_is_known_of_it(children: Children) -> None:
    engines = Engines(children)
    one = {"PATH": "/bin", "AWS_PROFILE": "dev", "DOCKER_HOST": "unix:///a"}
    assert engines.of(one) is engines.of({**one, "AWS_PROFILE": "prod"})
    assert engines.of(one) is not engines.of({**one, "DOCKER_HOST": "unix:///b"})
    assert engines.of(one) is not engines.of({**one, "PATH": "/usr/bin"})
    for number in range(100):
        engines.of({"PATH": str(number)})
    assert len(engines._known) <= 16
