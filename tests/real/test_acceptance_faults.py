"""An API server that goes away and a node that stops, on a cluster of one's own."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

from tests.real import talk
from tests.real.rig import Rig
from tests.real.running import until
from tests.whole.program import Entry, Program

Fault = Callable[..., None]
API_METHODS = ("kubectl", "tunnel")
NODE_METHODS = ("nodeport", "socat")


def ways() -> dict[str, Entry]:
    """One forward to the demo's web by each method."""
    methods = (*NODE_METHODS, *API_METHODS)
    here: Entry = {"target": "service/web", "targetPort": 80, "namespace": "demo"}
    locals_ = zip(methods, talk.free_ports(len(methods)), strict=True)
    return {method: {**here, "localPort": port, "method": method} for method, port in locals_}


def test_A10_without_the_api_what_goes_through_it_is_suspended_waits_and_is_back_within_10_seconds(
    own_cli: Program, fault: Fault
) -> None:
    """Node ports need no API: these go on, and say what is wrong. The seed suspends everything."""
    forwards = ways()
    own_cli.up(forwards)
    fault("apiserver-stop")
    for method in API_METHODS:
        row = own_cli.until_row(method, within=15, status="suspended")
        assert row["reason"] == "cluster-unreachable"
        assert row["pid"] is None
    until(lambda: not own_cli.children("port-forward"), 3, lambda: "no kubectl runs")
    for method in NODE_METHODS:
        row = own_cli.until_row(method, within=5, reason="cluster-unreachable")
        assert row["status"] == "active"
        assert talk.pod_behind(forwards[method]["localPort"]).startswith("web-")

    with ThreadPoolExecutor() as clients:  # a port that kfw owns never refuses
        held = [
            clients.submit(talk.pod_behind, forwards[method]["localPort"], timeout=30)
            for method in API_METHODS
        ]
        assert wait(held, 0.5).done == set()
        fault("apiserver-start")
        answering = time.monotonic()
        for method, entry in forwards.items():
            own_cli.until_row(method, within=10, status="active", reason=None)
            assert talk.pod_behind(entry["localPort"]).startswith("web-")
        assert time.monotonic() - answering < 10
        assert all(client.result(10).startswith("web-") for client in held)


def test_B22_when_the_worker_stops_node_ports_go_by_the_other_node_and_one_node_is_enough(
    own_cluster: Rig, own_cli: Program
) -> None:
    """No word of it to kfw but the connections that fail, until the cluster says so, 20 s later. Then it has one node."""
    forwards = {name: entry for name, entry in ways().items() if name in NODE_METHODS}
    own_cli.up(forwards)
    worker = f"{own_cluster.name}-worker"
    subprocess.run(["docker", "stop", "-t", "1", worker], check=True, capture_output=True)
    for entry in forwards.values():
        until(partial(_answers, entry["localPort"]), 45, own_cli.log, pause=0.5)
    own_cluster.kubectl("delete", "node", worker)
    own_cli("restart")
    for method, entry in forwards.items():
        row = own_cli.until_row(method, within=45, status="active")
        assert row["endpoint"]["name"] == f"{own_cluster.name}-control-plane"
        assert row["localPort"] == entry["localPort"]
        # Until the cluster has collected the pods of the lost node, kube-proxy sends some connections there.
        until(partial(_answers, entry["localPort"]), 60, own_cli.log, pause=0.5)


def _answers(port: int) -> bool:
    try:
        return talk.pod_behind(port, timeout=5).startswith("web-")
    except (OSError, ValueError):
        return False
