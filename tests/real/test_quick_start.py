"""quick-start/bootstrap.sh and stop-port-forward.sh on a cluster that the real kind knows."""

from pathlib import Path

from tests.real.rig import Rig
from tests.scripts.quick_start import five_services_come_up_and_stay_and_stop, quick_start


def test_B3_B5_B9_on_a_kind_cluster_with_the_services_and_the_users_kubeconfig_stays_as_it_is(
    rig: Rig, tmp_path: Path
) -> None:
    theirs = tmp_path / "config"
    theirs.write_text("current-context: rancher-desktop\n")
    cache = rig.directory.parents[2]  # where the rig keeps its kind
    with quick_start(theirs, CLUSTER_NAME=rig.name, XDG_CACHE_HOME=str(cache)) as started:
        first = five_services_come_up_and_stay_and_stop(started, ["stop-port-forward.sh"])
    assert f"bootstrap: cluster: the kind cluster {rig.name} is there" in first.stderr
    assert theirs.read_text() == "current-context: rancher-desktop\n"
