"""A sandbox for each test, in the test's own event loop. Its pods are ready at once."""

import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kfw.sandbox import certs
from kfw.sandbox.manifests import deployment, namespace, port, service, statefulset
from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.objects import Object
from kfw.sandbox.sandbox import Sandbox
from tests.sandbox.kubectl import Kubectl

#: Nobody waits: pods run, are ready and end as soon as they can.
AT_ONCE = Behaviour(start_after=0.0, ready_after=0.0, drain=0.0)


def small_set() -> list[Object]:
    return [
        namespace("demo"),
        deployment("demo", "web", ports={"http": 8080}, replicas=2),
        service("demo", "web", port(80, "http")),
        statefulset("demo", "db", "kfw/greeter", ports={"db": 5432}),
        service("demo", "db", port(5432, "db")),
    ]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: it takes longer than all the rest of a sandbox."""
    directory = tmp_path_factory.mktemp("certificates")
    certs.ensure(directory, time.time())
    return directory


@pytest_asyncio.fixture
async def sandbox(tmp_path: Path, certificates: Path) -> AsyncIterator[Sandbox]:
    """Namespace `demo` with the deployment and service `web` (2 pods) and the stateful set and service `db`."""
    shutil.copytree(certificates, tmp_path / "sandbox")
    async with Sandbox(tmp_path / "sandbox", objects=small_set(), usual=AT_ONCE) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def kubectl(sandbox: Sandbox, tmp_path: Path) -> Kubectl:
    return Kubectl(sandbox.kubeconfig, tmp_path)
