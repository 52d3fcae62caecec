"""A stub for docker whose container runs here, with the real socat, and `localhost` as the cluster's node."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kfw.methods.base import OpenRequest
from kfw.methods.forwarder.method import Forwarder, ForwarderTunnel
from kfw.model import Endpoint, Forward, Health, Target
from kfw.system.process import Children
from tests.relay.world import App, app, echo
from tests.stubs.engine import Engine

Open = Callable[..., Awaitable[ForwarderTunnel]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("socat") is None:
        for item in items:
            if "engine" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="socat is not installed"))


def node(
    name: str = "localhost", cluster: str = "dev", ports: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "Id": f"id-{name}",
        "Name": f"/{name}",
        "State": {"Status": "running"},
        "Config": {"Labels": {"io.x-k8s.kind.cluster": cluster}},
        "NetworkSettings": {"Networks": {"kind": {"IPAddress": "172.18.0.2"}}, "Ports": ports or {}},
    }


def way(
    port: int, *names: str, context: str = "kind-dev", method: str = "forwarder", name: str = "api"
) -> OpenRequest:
    """To this port of these nodes, whose own addresses nobody can reach."""
    health = Health(timeout=2)
    forward = Forward(
        name, Target.parse("service/api"), 80, 8080, context=context, method=method, health=health
    )
    return OpenRequest(
        forward, tuple(Endpoint("node", one, "192.0.2.1", port) for one in names or ("localhost",))
    )


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "kfw"))
    engine = Engine(tmp_path / "engine", monkeypatch)
    engine.has(node())
    return engine


@pytest.fixture
def forwarder(engine: Engine, children: Children) -> Forwarder:
    return Forwarder(children)


@pytest_asyncio.fixture
async def opened(forwarder: Forwarder) -> AsyncIterator[Open]:
    """Opens tunnels, and closes them at the end."""
    tunnels: list[ForwarderTunnel] = []

    async def open_one(*args: Any, **how: Any) -> ForwarderTunnel:
        tunnels.append(await forwarder.open(way(*args, **how)))
        return tunnels[-1]

    yield open_one
    for tunnel in tunnels:
        await tunnel.close()


@pytest_asyncio.fixture
async def backend() -> AsyncIterator[App]:
    """What serves on the node port: sends back what comes."""
    async with app(echo, "127.0.0.1", 0) as serving:
        yield serving
