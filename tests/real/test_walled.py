"""bootstrap where the host cannot reach its containers' addresses. The engine is this machine's and only says that it is
Docker Desktop; kind's nodes, the ports that docker publishes and what goes through them are real."""

import json
import os
from collections.abc import Iterator

import pytest

from tests.quick_start.engine import docker
from tests.quick_start.host import Host
from tests.quick_start.kind import FORWARDS, FRONT_ENDS, path, rig_is_here, run
from tests.real import socat_image
from tests.real.running import until

_DESKTOP = f"""#!/bin/sh
PATH=${{PATH#*:}} # without this folder, which is the first of it
[ "$1" = info ] || exec {FRONT_ENDS}/docker "$@"
{FRONT_ENDS}/docker "$@" | sed 's/"OperatingSystem":"[^"]*"/"OperatingSystem":"Docker Desktop"/'
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """Five forwards on a cluster that was made behind the wall; here node addresses answer, so the method is named."""
    assert rig_is_here()
    one = Host(f"kfw-w{os.getpid()}", {"KFW_IN_CONTAINER": "0", "KFW_FORWARDER_IMAGE": socat_image.make()})
    front = one.kfw.folder / "front"
    front.mkdir()
    (front / "docker").write_text(_DESKTOP)
    (front / "docker").chmod(0o755)
    one.kfw.env["PATH"] = os.pathsep.join([str(front), path()])
    one.configure({name: {"method": "forwarder"} for name in FORWARDS})
    try:
        yield one
    finally:
        one.run("uninstall.sh", "--yes", code=None)
        one.kfw.close()
        if one.cluster in run("kind", "get", "clusters").split():
            run("kind", "delete", "cluster", "--name", one.cluster)


def test_a_new_cluster_publishes_its_node_ports_and_kfw_goes_through_them(host: Host) -> None:
    done = host.bootstrap()
    assert "node addresses cannot be reached from here, so docker publishes its node ports" in done.stderr
    host.until_all_answer()
    node = json.loads(docker("inspect", f"{host.cluster}-control-plane").stdout)[0]
    published = node["NetworkSettings"]["Ports"]["30808/tcp"][0]
    assert published["HostIp"] == "127.0.0.1"
    ways = host.kfw.json("explain", "amp-api")["candidates"]
    chosen = next(way for way in ways if way["chosen"])
    assert chosen["why"].endswith(f"docker publishes it on 127.0.0.1:{published['HostPort']}")
    assert _forwarders(host) == []


def test_a_service_with_another_node_port_gets_a_container(host: Host) -> None:
    """The published ports are fixed when a cluster is made; a service that is made again has another one."""
    host.bootstrap()
    patch = json.dumps([{"op": "replace", "path": "/spec/ports/0/nodePort", "value": 31808}])
    where = ("--kubeconfig", str(host.kubeconfig), "-n", "wso2-amp")
    run("kubectl", *where, "patch", "service", "amp-api", "--type", "json", "-p", patch)
    # what was published before answers until kube-proxy has heard of it
    until(lambda: _node_port(host) == 31808, 60, lambda: f"amp-api to go to 31808, not {_node_port(host)}")
    host.until_all_answer()
    assert len(_forwarders(host)) == 1
    assert host.kfw.status("amp-console")["restarts"] == 0
    host.kfw("down")
    assert _forwarders(host) == []


def _node_port(host: Host) -> int:
    return int(host.kfw.wait("amp-api", "active")["endpoint"]["port"])


def _forwarders(host: Host) -> list[str]:
    return docker(
        "ps", "--all", "--quiet", "--filter", f"label=io.kfw.forwarder={host.cluster}"
    ).stdout.split()
