"""Some of the faults, on a cluster of one's own, judged as in a whole run: every method, and the pairs that were worst.

Some 40 s each. `make chaos ARGS='--only NAME'` does one of them again, with the figures of all targets.
"""

from pathlib import Path

import pytest

from tests.real import rig as rigs
from tests.real.chaos import rounds
from tests.real.chaos.faults import FAULTS
from tests.real.chaos.judge import judge
from tests.real.chaos.rounds import Options
from tests.real.chaos.scene import Cluster

CHOSEN = (
    "service-recreated",
    "child-stopped",
    "kubelet-blackhole",
    "pods+rights-removed",
    "pods+kubeconfig-half",
    "pods+api-blackhole",
    "node-pause",
)


@pytest.fixture(scope="module")
def cluster(_cluster_of_this_run: str) -> Cluster:
    made = Cluster(rigs.up(_cluster_of_this_run))
    made.prepare()
    return made


@pytest.mark.parametrize("name", CHOSEN)
def test_what_kfw_promises_holds_while_something_breaks(cluster: Cluster, name: str, tmp_path: Path) -> None:
    try:
        cells = rounds.run(cluster, FAULTS[name], Options(short=True, keep_logs_in=tmp_path))
    except BaseException:
        rigs.up(cluster.rig.name)  # the next one finds it whole
        raise
    wrong = [f"{cell.method}: {said}" for cell in cells for said in judge(cell)]
    lines = "\n".join(map(rounds.line, cells))
    assert not wrong, f"{wrong}\n{lines}\nthe daemon's log, its statuses and the clients: {tmp_path / name}"
