"""The rig's fixtures. Without the rig `-m real` fails at once; other runs skip these tests and say why."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real import rig as rigs
from tests.real import talk
from tests.real.idle import Idle
from tests.real.rig import Rig, RigMissing
from tests.real.tunnels import Tunnels
from tests.real.tunnels import tunnels as forwarded
from tests.whole.program import Program

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("real")
    items.sort(key=_waits_for_the_rest)


def _waits_for_the_rest(item: pytest.Item) -> bool:
    return "idle" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def rig(pytestconfig: pytest.Config) -> Rig:
    """The cluster of the environment. It is shared: no faults, and no objects of the demo are changed."""
    try:
        found = Rig.from_environment(os.environ)
    except RigMissing as missing:
        if pytestconfig.getoption("-m") == "real":
            pytest.exit(f"cannot run the real tests: {missing}", returncode=1)
        pytest.skip(str(missing))
    assert found.kubectl("get", "--raw", "/readyz") == "ok"
    return found


@pytest.fixture(autouse=True)
def _only_with_the_rig(rig: Rig) -> None:
    """Also for the tests that name no fixture of it."""


@pytest.fixture(scope="session")
def tunnels(rig: Rig) -> Iterator[Tunnels]:
    """To the demo of the shared cluster, in one daemon for the whole run: what one test does must not be felt by another."""
    with forwarded(rig.kubeconfig) as made:
        yield made


@pytest.fixture(scope="session")
def idle(tunnels: Tunnels) -> Iterator[Idle]:
    with tunnels.connect("greet") as connection:
        assert connection.recv(100).startswith(b"hello from web-")
        yield Idle(connection)


@pytest.fixture(scope="session", autouse=True)
def _idle_from_the_first_test_on(request: pytest.FixtureRequest) -> None:
    """If the test that looks at it, the last one, is among those that run."""
    if any(map(_waits_for_the_rest, request.session.items)):
        request.getfixturevalue("idle")


@pytest.fixture
def kfw_home(cli: Program) -> Path:
    return cli.home


@pytest.fixture
def make_cli() -> Iterator[Callable[..., Program]]:
    """`make_cli(KUBECONFIG)`: a kfw with an empty home; after the test nothing it started may be left."""
    made: list[Program] = []

    def make(kubeconfig: Path | str, **env: str) -> Program:
        made.append(Program(kubeconfig, env))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def cli(rig: Rig, make_cli: Callable[..., Program]) -> Program:
    """kfw with an empty home, as the rig's admin."""
    return make_cli(rig.kubeconfig)


@pytest.fixture
def kubectl(rig: Rig) -> Callable[..., str]:
    return rig.kubectl


@pytest.fixture
def free_port() -> int:
    return talk.free_ports(1)[0]


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    return talk.free_ports


@pytest.fixture
def namespace(rig: Rig) -> Iterator[str]:
    """An empty namespace of one's own on the shared cluster."""
    name = f"kfw-test-{os.getpid()}-{os.urandom(3).hex()}"
    rig.kubectl("create", "namespace", name)
    yield name
    rig.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def _cluster_of_this_run(rig: Rig) -> Iterator[str]:
    name = f"kfw-t{os.getpid()}"
    yield name
    rigs.cluster("down", name)


@pytest.fixture
def own_cluster(_cluster_of_this_run: str) -> Rig:
    """A cluster with the demo that nobody else uses, whole and well: for faults, and to break things."""
    return rigs.up(_cluster_of_this_run)


@pytest.fixture
def own_cli(own_cluster: Rig, make_cli: Callable[..., Program]) -> Program:
    """kfw with an empty home, as the admin of `own_cluster`."""
    return make_cli(own_cluster.kubeconfig)


@pytest.fixture
def fault(own_cluster: Rig) -> Callable[..., None]:
    """`fault("apiserver-restart")` on `own_cluster`; the next test that uses that cluster gets it fixed."""
    return own_cluster.fault
