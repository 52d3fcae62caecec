"""uninstall.sh, on the cluster that bootstrap.sh has made: the last test that uses it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.quickstart.engine import docker
from tests.quickstart.host import Host, strangers
from tests.quickstart.kind import PAUSE, run
from tests.quickstart.test_bootstrap import ALL, nodes

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def _whole(host: Host) -> None:
    host.configure({})
    host.bootstrap()
    host.until_all_answer()


def test_uninstall_asks_first_and_changes_nothing_where_nobody_can_answer(host: Host) -> None:
    done = host.run("uninstall.sh", code=2)
    assert "cannot ask whether to uninstall" in done.stderr and "--yes" in done.stderr
    assert host.answers() == ALL


def test_uninstall_removes_the_cluster_that_bootstrap_made_and_no_other(host: Host) -> None:
    with strangers(), look_alike(host.cluster) as other:
        done = host.run("uninstall.sh", "--yes")
        clusters = run("kind", "get", "clusters").split()
        assert host.cluster not in clusters and f"{host.cluster}-2" in clusters
        assert docker("inspect", "-f", "{{.State.Running}}", other).stdout == "true\n"
    assert f"the kind cluster {host.cluster} is deleted" in done.stderr
    assert nodes(host) == []


@contextmanager
def look_alike(cluster: str) -> Iterator[str]:
    """A node of another cluster, whose name begins like ours."""
    name = f"{cluster}-2-control-plane"
    labels = {"io.x-k8s.kind.cluster": f"{cluster}-2", "io.x-k8s.kind.role": "control-plane"}
    options = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    docker("run", "-d", "--name", name, *options, PAUSE)
    try:
        yield name
    finally:
        docker("rm", "-f", name)
