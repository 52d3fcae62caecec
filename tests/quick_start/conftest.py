"""The image, built once in a run, and a kind cluster of the rig with the stand-ins on it."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.quick_start import engine
from tests.quick_start.host import Host
from tests.quick_start.kind import KindCluster, rig_is_here, run
from tests.real.rig import Rig


@pytest.fixture(scope="session")
def _docker(pytestconfig: pytest.Config) -> None:
    """`-m real` fails without a Docker Engine, other runs skip and say why."""
    if engine.answers() and shutil.which("debootstrap") and os.getuid() == 0:
        return
    why = "these tests need a Docker Engine, debootstrap and root"
    if pytestconfig.getoption("-m") == "real":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def image(_docker: None) -> Iterator[str]:
    """Its layers stay in docker's cache, its name does not."""
    name = engine.build()
    yield name
    engine.docker("rmi", "--no-prune", name, code=None)


@pytest.fixture(scope="package")
def host(pytestconfig: pytest.Config) -> Iterator[Host]:
    """A machine on which bootstrap.sh has made a kind cluster out of nothing; five ports answer.

    One for all tests here, gone with the last of them: of some five clusters at once Linux's 128 inotify instances of a
    user run out, and then nodes do not register.
    """
    if not rig_is_here():
        if pytestconfig.getoption("-m") == "real":
            pytest.fail("these tests need the rig's kind, see tests/real/rig.py")
        pytest.skip("these tests need the rig's kind")
    one = Host(f"kfw-b{os.getpid()}")
    try:
        one.bootstrap()
        yield one
    finally:
        one.run("uninstall.sh", "--yes", code=None)
        one.kfw.close()
        if one.cluster in run("kind", "get", "clusters").split():
            run("kind", "delete", "cluster", "--name", one.cluster)


@pytest.fixture
def rig() -> Rig:
    """The cluster of the environment, which is shared."""
    return Rig.from_environment(os.environ)


@pytest.fixture
def cluster(host: Host) -> KindCluster:
    """Its cluster, as a container is given it."""
    return KindCluster(host.cluster, host.kubeconfig, host.kfw.folder)
