"""The API server: away, refusing the login, allowing one namespace only, behind a path."""

import time
from pathlib import Path

import pytest

from kfw.sandbox.api.access import User
from kfw.sandbox.manifests import deployment, namespace, service
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.sandbox import Sandbox
from tests.real import talk
from tests.real.prefix import behind_prefix
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Entry


@pytest.fixture
def here(own: Place) -> Place:
    """Of this test alone, with a web server in the namespace `shop`."""
    web = deployment("shop", "web", ports={"http": 8080})
    own.apply(namespace("shop"), namespace("other"), web, service("shop", "web", service_port(80, "http")))
    return own


def entry(port: int, where: str = "shop") -> Entry:
    return {"target": "service/web", "localPort": port, "namespace": where}


def test_A10_a_way_that_needs_no_api_goes_on_without_it_and_says_so(
    here: Place, make_kfw: Make, port: int
) -> None:
    """The seed suspends everything; kfw's node ports are not the API server's affair, so their bytes go on."""
    kfw = make_kfw(here.kubeconfig)
    kfw.up({"web": entry(port)})
    here.stop_api()
    row = kfw.until_row("web", within=5, reason="cluster-unreachable")
    assert row["status"] == "active"
    assert "cannot reach the API server" in row["message"]
    assert talk.pod_behind(port).startswith("web-")
    here.start_api()
    kfw.until_row("web", within=10, status="active", reason=None)
    assert kfw.status("web")["restarts"] == 0


def test_A10_NFR_REL_02_what_needs_the_api_is_suspended_without_a_child_and_comes_up_by_itself(
    here: Place, make_kfw: Make, port: int
) -> None:
    kfw = make_kfw(here.kubeconfig)
    here.stop_api()
    done = kfw.up({"web": {**entry(port), "method": "socat"}}, code=4)
    row = kfw.status("web")
    assert (row["status"], row["reason"], row["pid"]) == ("suspended", "cluster-unreachable", None)
    assert "cannot reach the API server https://127.0.0.1:" in done.stdout
    assert kfw.children("socat") == []
    here.start_api()
    kfw.until_row("web", within=10, status="active")
    assert talk.pod_behind(port).startswith("web-")


def test_what_each_command_says_while_the_cluster_cannot_be_reached(here: Place, make_kfw: Make) -> None:
    """Forwards that wait for it are 4; what asks kfw alone does not mind."""
    kfw = make_kfw(here.kubeconfig)
    here.stop_api()
    one, other = talk.free_ports(2)
    kfw.up({"web": entry(one)}, code=4)
    said = {
        line: kfw(*line.split(), code=code)
        for line, code in {
            f"add more svc/web {other}:80 -n shop": 4,
            "wait --timeout 100ms": 4,
            "status": 1,
            "verify": 1,
            "explain web": 0,
            "retry web": 0,
            "restart web": 0,
            "reload": 0,
            "logs web": 0,
        }.items()
    }
    assert "forwards wait: cannot reach the API server" in " ".join(said["status"].stdout.split())
    assert "suspended: cannot reach the API server" in said["verify"].stdout
    assert not any("Traceback" in done.stdout + done.stderr for done in said.values())
    assert {row["status"] for row in kfw.rows().values()} == {"suspended"}


def test_A10_a_login_that_is_refused_suspends_and_a_new_one_is_taken(
    here: Place, make_kfw: Make, port: int
) -> None:
    kfw = make_kfw(here.user("ada", "shop"))
    kept = here.do(_forget_tokens)
    done = kfw.up({"web": entry(port)}, code=5)
    row = kfw.status("web")
    assert (row["status"], row["reason"]) == ("suspended", "login-expired")
    assert "Unauthorized" in row["message"] and "Unauthorized" in done.stdout
    here.do(lambda sandbox: sandbox.users.by_token.update(kept))
    kfw.until_row("web", within=10, status="active")


def _forget_tokens(sandbox: Sandbox) -> dict[str, User]:
    kept = dict(sandbox.users.by_token)
    sandbox.users.by_token.clear()
    return kept


def test_A11_a_user_of_one_namespace_starts_normally_and_another_namespace_is_refused_in_words(
    here: Place, make_kfw: Make
) -> None:
    """Who may not list nodes learns their addresses from the pods."""
    kfw = make_kfw(here.user("ada", "shop"))
    good, bad = talk.free_ports(2)
    done = kfw.up({"web": entry(good), "other": entry(bad, "other")}, code=5)
    assert kfw.status("web")["status"] == "active"
    assert talk.pod_behind(good).startswith("web-")
    row = kfw.status("other")
    assert (row["status"], row["reason"]) == ("error", "not-permitted")
    assert 'cannot list resource "services"' in row["message"]
    assert 'in the namespace "other"' in " ".join(done.stdout.split())


def test_A40_an_api_server_behind_a_path_works(
    here: Place, make_kfw: Make, port: int, tmp_path: Path
) -> None:
    with behind_prefix(here.user("ada", "shop"), tmp_path) as kubeconfig:
        kfw = make_kfw(kubeconfig)
        kfw.up({"web": entry(port)})
        assert talk.pod_behind(port).startswith("web-")
        gone = time.monotonic()
        here.do(lambda sandbox: sandbox.scale("deployments", "shop", "web", 0))
        kfw.until_row("web", reason="no-ready-pod")  # so the watch goes through it, too
        assert time.monotonic() - gone < 5


def test_a_forward_that_is_added_when_the_cluster_is_back_hears_nothing_of_before(
    here: Place, make_kfw: Make
) -> None:
    kfw = make_kfw(here.kubeconfig)
    one, *others = talk.free_ports(4)
    kfw.up({"web": {**entry(one), "method": "tunnel"}})
    for port in others:
        here.stop_api()
        kfw.until_row("web", within=6, reason="cluster-unreachable")
        here.start_api()
        kfw("add", f"web-{port}", "service/web", f"{port}:80", "--namespace", "shop")
        assert kfw.status(f"web-{port}")["status"] == "active"
        kfw.until_row("web", within=10, status="active")
