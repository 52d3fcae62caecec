"""The scripts on a kind cluster that they make themselves, and on what becomes of it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.quick_start.engine import ROOT, docker
from tests.quick_start.host import THEIRS, Host, strangers
from tests.quick_start.kind import FORWARDS, run
from tests.real.rig import Rig
from tests.real.running import until
from tests.real.talk import get, listener
from tests.stopwatch import in_time

pytestmark = pytest.mark.real

ALL = {name: name for name in FORWARDS}


@pytest.fixture(autouse=True)
def _whole(host: Host) -> None:
    """Each test begins with all five up, as the one before may have broken something."""
    host.configure({})
    host.bootstrap()
    host.until_all_answer()


@pytest.fixture
def on_a_host(host: Host) -> Iterator[None]:
    """kfw takes this machine for no container, whatever marks it bears: then docker's own ports are a way, too."""
    host.kfw.env["KFW_IN_CONTAINER"] = "0"
    host.kfw("down")
    host.bootstrap()
    yield
    del host.kfw.env["KFW_IN_CONTAINER"]
    host.kfw("down", code=None)


def nodes(host: Host) -> list[str]:
    return docker("ps", "-q", "--filter", f"label=io.x-k8s.kind.cluster={host.cluster}").stdout.split()


def containers_made(since: int, label: str) -> str:
    """What docker tells of containers with this label that were made since then, also of those that have gone."""
    period = ("--since", str(since), "--until", str(int(time.time()) + 1))
    return docker("events", *period, "--filter", f"label={label}", "--filter", "event=create").stdout


def kubectl(host: Host, *arguments: str, stdin: str = "") -> str:
    return run("kubectl", "--kubeconfig", str(host.kubeconfig), *arguments, stdin=stdin)


def test_B3_from_nothing_to_five_verified_ports_and_a_second_run_changes_nothing(host: Host) -> None:
    before, processes = nodes(host), host.kfw.processes()
    began = time.monotonic()
    done = host.bootstrap()
    seconds = time.monotonic() - began
    assert dict(line.split("\t") for line in done.stdout.splitlines()).keys() == FORWARDS.keys()
    assert "bootstrap: nothing changed\n" in done.stderr
    assert nodes(host) == before and host.kfw.processes() == processes
    assert host.answers() == ALL
    assert seconds < 8  # alone on a machine it is below 5, see scripts/bare-machine.sh


def test_B21_on_a_host_it_listens_on_localhost_only(host: Host) -> None:
    told = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    heard = [line.split()[1].split(":") for lines in told for line in lines if line.split()[3] == "0A"]
    ours = {address for address, port in heard if int(port, 16) in host.ports.values()}
    assert "0100007F" in ours and ours <= {"0100007F", "00000000000000000000000001000000"}


def test_two_clusters_have_each_their_own_forwards_and_stopping_one_leaves_the_other(
    host: Host, rig: Rig
) -> None:
    other = Host(rig.name)
    try:
        other.run("bootstrap.sh", "--yes", "--kind", "--skip-kind", "--skip-openchoreo")
        other.until_all_answer()
        pods = [get(f"http://127.0.0.1:{one.ports['amp-api']}/")["pod"] for one in (host, other)]
        assert pods[0] != pods[1]
        assert kubectl(host, "get", "pod", "-n", "wso2-amp", pods[0])
        assert rig.kubectl("get", "pod", "-n", "wso2-amp", pods[1])
        other.run("stop-port-forward.sh")
        assert other.answers() == dict.fromkeys(FORWARDS, "") and host.answers() == ALL
        assert "stays: kind delete cluster" in other.run("uninstall.sh", "--yes").stderr
    finally:
        other.kfw.close()
    assert rig.name in run("kind", "get", "clusters").split() and host.answers() == ALL


@pytest.mark.usefixtures("on_a_host")
def test_the_images_socat_carries_them_where_docker_publishes_the_way(host: Host, image: str) -> None:
    """kfw finds the quick start's image by its label when it needs a forwarder container."""
    host.kfw("down")
    host.configure({name: {"method": "forwarder"} for name in FORWARDS})
    done = host.bootstrap()
    assert host.answers() == ALL
    (told,) = [line for line in done.stderr.splitlines() if "through docker (forwarder)" in line]
    assert all(name in told for name in FORWARDS)
    (ours,) = docker("ps", "-q", "--filter", f"label=io.kfw.forwarder={host.cluster}").stdout.split()
    label = docker("inspect", "-f", '{{index .Config.Labels "io.kfw.socat"}}', ours).stdout
    assert label == "true\n"
    host.run("stop-port-forward.sh")
    until(lambda: docker("ps", "-aq", "--filter", f"id={ours}").stdout == "", 10, lambda: "it has ended")


def test_B5_the_users_kubeconfig_stays_as_it_was(host: Host) -> None:
    assert host.theirs.read_text() == THEIRS


def test_B5_use_context_changes_it_and_keeps_the_rest(host: Host) -> None:
    theirs = host.kfw.folder / "another"
    theirs.write_text(THEIRS)
    host.kfw.env["KUBECONFIG"] = str(theirs)
    try:
        host.bootstrap("--use-context")
    finally:
        host.kfw.env["KUBECONFIG"] = str(host.theirs)
    config = yaml.safe_load(theirs.read_text())
    assert config["current-context"] == f"kind-{host.cluster}"
    assert "rancher-desktop" in [one["name"] for one in config["clusters"]]


def test_B6_the_exported_kubeconfig_names_the_cluster_and_is_private(host: Host) -> None:
    config = yaml.safe_load(host.kubeconfig.read_text())
    assert config["current-context"] == f"kind-{host.cluster}"
    assert config["clusters"][0]["cluster"]["server"].startswith("https://127.0.0.1:")
    assert host.kubeconfig.stat().st_mode & 0o077 == 0


def test_B6_a_lock_that_was_left_behind_is_a_clear_error(host: Host) -> None:
    lock = host.kubeconfig.with_name(host.kubeconfig.name + ".lock")
    lock.touch()
    try:
        done = host.bootstrap(code=1)
    finally:
        lock.unlink()
    assert f"rm {lock}" in done.stderr


def test_B4_a_cluster_of_a_longer_name_is_another(host: Host) -> None:
    shorter = host.cluster[:-1]
    host.kfw.env["CLUSTER_NAME"] = shorter
    try:
        done = host.bootstrap("--skip-kind", code=4)
    finally:
        host.kfw.env["CLUSTER_NAME"] = host.cluster
    assert f"the kind cluster {shorter} does not exist" in done.stderr


@pytest.mark.usefixtures("on_a_host")
def test_B22_a_node_that_is_killed_leaves_the_ports_up_and_the_next_run_starts_it(host: Host) -> None:
    worker = f"{host.cluster}-worker"
    # A pod on the node that dies would be gone for a while, as on any cluster; what serves runs on the other.
    kubectl(host, "cordon", worker)
    for namespace in sorted({forward["namespace"] for forward in FORWARDS.values()}):
        kubectl(host, "delete", "pod", "-n", namespace, "--all", "--grace-period=1")
        kubectl(host, "wait", "-n", namespace, "deployment", "--all", "--for=condition=Available")
    host.until_all_answer()
    since = int(time.time())
    docker("kill", worker)
    host.until_all_answer(30)
    # Where the other node is reached, a container beside it would be no help.
    assert containers_made(since, f"io.kfw.forwarder={host.cluster}") == ""
    kubectl(host, "uncordon", worker)
    done = host.bootstrap()
    assert f"started {worker}" in done.stderr
    assert len(nodes(host)) == 2


def test_B10_a_service_without_a_node_port_is_forwarded_through_the_api_and_that_is_said(host: Host) -> None:
    with cluster_ip(host, "amp-console"):
        host.kfw("down", "amp-console")
        done = host.bootstrap()
        assert host.answers() == ALL
    line = next(line for line in done.stderr.splitlines() if line.startswith("bootstrap: amp-console: "))
    assert "through the API" in line and "ClusterIP" in line


def test_B10_where_it_must_be_a_node_port_the_type_and_the_fix_are_named_and_the_others_run(
    host: Host,
) -> None:
    with cluster_ip(host, "amp-console"):
        host.kfw("down")
        host.configure({"amp-console": {"method": "nodeport"}})
        done = host.bootstrap(code=None)
        assert done.returncode != 0
        assert "ClusterIP" in done.stderr and "patch svc amp-console" in done.stderr
        assert host.answers() == {**ALL, "amp-console": ""}
    host.kfw("down", "amp-console")


class cluster_ip:
    """While it lasts the service has no node port."""

    def __init__(self, host: Host, service: str) -> None:
        self.host, self.where = host, ("service", service, "-n", FORWARDS[service]["namespace"])

    def __enter__(self) -> None:
        spec = json.loads(kubectl(self.host, "get", *self.where, "-o", "json"))["spec"]
        self.node_port = spec["ports"][0]["nodePort"]
        kubectl(self.host, "patch", *self.where, "-p", json.dumps({"spec": {"type": "ClusterIP"}}))

    def __exit__(self, *_: object) -> None:
        port = [{"op": "add", "path": "/spec/ports/0/nodePort", "value": self.node_port}]
        patch = [{"op": "replace", "path": "/spec/type", "value": "NodePort"}, *port]
        kubectl(self.host, "patch", *self.where, "--type=json", "-p", json.dumps(patch))


def test_B16_where_somebody_has_a_port_the_other_four_come_up_and_are_verified(host: Host) -> None:
    host.kfw("down")
    with listener(host.ports["amp-api"]) as port:
        done = host.bootstrap(code=6)
        assert f"cannot listen on {port}" in done.stderr and f"pid {os.getpid()}" in done.stderr
        assert done.stderr.count(" 200 OK") == 4
        assert len(done.stdout.splitlines()) == 4
    host.kfw("down", code=None)


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_B26_a_signal_to_the_script_in_the_foreground_ends_all_of_it(host: Host, name: str) -> None:
    host.run("stop-port-forward.sh")
    script = host.start("port-forward.sh")
    try:
        host.until_all_answer(30)
        began = time.monotonic()
        script.send_signal(signal.Signals[f"SIG{name}"])
        code = script.wait(10)
    finally:
        script.kill()
    assert in_time(time.monotonic() - began, 5)
    assert code in (0, 129, 130, 143)
    assert host.answers() == dict.fromkeys(FORWARDS, "")
    host.until_nothing_runs()


def test_B26_with_detach_the_forwards_outlive_the_script(host: Host) -> None:
    host.run("stop-port-forward.sh")
    done = host.run("port-forward.sh", "--detach")
    assert len(done.stdout.splitlines()) == 5
    assert host.answers() == ALL


HELPERS = """
set -e
. "$QUICK_START/install-helpers.sh"
setup_amp_port_forwarding --config "$FIVE"
wait_for_deployment amp-api wso2-amp 60s
wait_for_pods wso2-amp 60s app=amp-console
node_port amp-api wso2-amp http
! wait_for_pods wso2-amp 1s app=nobody
! node_port nobody wso2-amp
! helm_install_or_upgrade nothing "$FIVE" 1.0.0 default
"""


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_B23_the_helpers_do_on_a_real_cluster_what_they_say_with_data_alone_on_stdout(
    host: Host, shell: str
) -> None:
    env = {**host.kfw.env, "QUICK_START": str(ROOT / "quick-start"), "FIVE": str(host.config)}
    line = [shell, "-c", HELPERS]
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    *urls, port = done.stdout.splitlines()
    assert port == "30808" and dict(url.split("\t") for url in urls).keys() == FORWARDS.keys()
    assert 'services "nobody" not found' in done.stderr
    assert host.answers() == ALL


def test_B17_B18_stop_ends_ours_and_nobody_elses_and_a_second_stop_is_harmless(host: Host) -> None:
    with strangers():
        host.configure({"amp-api": {"method": "socat"}, "data-prepper": {"method": "kubectl"}})
        host.kfw("down")
        host.run("port-forward.sh", "--detach")
        assert host.answers() == ALL
        host.run("stop-port-forward.sh")
        assert host.answers() == dict.fromkeys(FORWARDS, "")
        host.until_nothing_runs()
        assert host.run("stop-port-forward.sh").returncode == 0


def test_B20_stop_also_ends_what_a_killed_daemon_has_left(host: Host) -> None:
    host.configure({"amp-api": {"method": "socat"}})
    host.kfw("down")
    host.run("port-forward.sh", "--detach")
    host.kfw.kill_daemon()
    host.run("stop-port-forward.sh")
    host.until_nothing_runs()
    host.kfw("start")
    assert host.kfw.json("status")["forwards"] == []  # nor does anything come back
    host.kfw("stop")
