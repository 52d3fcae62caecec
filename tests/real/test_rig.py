"""The rig itself: that what the other tests build on is there."""

from collections.abc import Callable

from tests.real import talk
from tests.real.rig import Rig


def test_the_demo_runs(kubectl: Callable[..., str]) -> None:
    kubectl("wait", "--for=condition=Available", "deployment/web", "-n", "demo", "--timeout=30s")


def test_the_node_ports_are_reachable_from_here(rig: Rig) -> None:
    assert all(talk.get(f"http://{ip}:30080/")["pod"].startswith("web-") for ip in rig.node_ips)


def test_a_user_of_one_namespace_sees_no_nodes(rig: Rig) -> None:
    can = rig.kubectl("--kubeconfig", str(rig.user("viewer")), "auth", "can-i", "--list", "-n", "demo")
    assert "pods/portforward" in can
