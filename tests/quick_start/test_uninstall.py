"""uninstall.sh, on the cluster that bootstrap.sh has made: the last test that uses it."""

import subprocess

import pytest

from tests.quick_start.engine import ROOT
from tests.quick_start.host import Host, strange_containers, strangers
from tests.quick_start.kind import run
from tests.quick_start.test_bootstrap import ALL, nodes

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def _whole(host: Host) -> None:
    host.configure({})
    host.bootstrap()
    host.until_all_answer()


def test_uninstall_asks_first_and_changes_nothing_where_nobody_can_answer(host: Host) -> None:
    done = host.run("uninstall.sh", code=2)
    assert (
        "cannot ask whether to remove everything that bootstrap installed" in done.stderr
        and "--yes" in done.stderr
    )
    assert host.answers() == ALL


def test_B17_B18_strangers_live_through_every_script_and_of_ours_nothing_is_left(host: Host) -> None:
    with strangers(), strange_containers(host.cluster):
        host.bootstrap()
        host.run("port-forward.sh", "--detach")
        host.run("stop-port-forward.sh")
        host.run("bootstrap.sh", "--yes", "--kind", "--skip-openchoreo")
        subprocess.run([ROOT / "quick-start/start-colima.sh", "--yes"], env=host.kfw.env, check=False)
        done = host.run("uninstall.sh", "--yes")
        assert f"the kind cluster {host.cluster} is deleted" in done.stderr
        clusters = run("kind", "get", "clusters").split()
        assert host.cluster not in clusters and f"{host.cluster}-2" in clusters
        assert host.run("uninstall.sh", "--yes").returncode == 0
    assert nodes(host) == []
    assert host.answers() == dict.fromkeys(host.ports, "")
    host.until_nothing_runs()
    assert not (host.kfw.home / "state/quick-start").exists()
