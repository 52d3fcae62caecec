"""A machine without IPv6, made of a network namespace of one's own; sandbox, daemon and clients live in it."""

import json
import subprocess
import sys

import pytest

from tests.real import talk
from tests.real.running import KFW
from tests.whole.conftest import Make

IN_IT = """
set -eu
ip link set lo up
for one in all lo; do echo 1 > /proc/sys/net/ipv6/conf/$one/disable_ipv6; done
KUBECONFIG=$("$1" sandbox start)
export KUBECONFIG
"$1" up --json
"$1" verify >&2
"$1" stop
"$1" sandbox stop
"""
ALONE = ["unshare", "--map-root-user", "--net"]


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_A5_without_ipv6_forwards_are_on_their_configured_ports(make_kfw: Make) -> None:
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a network namespace")
    kfw = make_kfw("")
    web, echo = talk.free_ports(2)
    here = {"namespace": "demo", "context": "kfw-sandbox"}
    kfw.configure(
        {
            "web": {"target": "service/web", "localPort": web, **here},
            "db": {"target": "service/db", "localPort": echo, "method": "socat", **here},
        }
    )
    argv = [*ALONE, "sh", "-c", IN_IT, "sh", str(KFW)]
    done = subprocess.run(
        argv, env=kfw.env, cwd=kfw.project, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["forwards"]
    assert [(row["localPort"], row["localAddresses"]) for row in rows] == [
        (web, ["127.0.0.1"]),
        (echo, ["127.0.0.1"]),
    ]
    assert "hello from db-0" in done.stderr
