"""Who may what: a login that ran out, one that may look and not forward, one namespace only; no server; a path prefix."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.real import talk
from tests.real.prefix import behind_prefix
from tests.real.rig import Rig
from tests.whole.program import Entry, Program

Make = Callable[..., Program]

#: No pod of a deployment without the API; services have their node ports besides.
ALL = ("nodeport", "socat", "kubectl", "tunnel")
HERE: Entry = {"target": "service/web", "targetPort": 80, "namespace": "demo"}


def ways(*methods: str) -> dict[str, Entry]:
    locals_ = talk.free_ports(len(methods))
    return {
        method: {**HERE, "localPort": port, "method": method}
        for method, port in zip(methods, locals_, strict=True)
    }


def test_A10_a_login_that_has_run_out_is_5_suspended_without_a_child(rig: Rig, make_cli: Make) -> None:
    cli = make_cli(rig.user("expired"))
    done = cli.up(ways(*ALL), code=5)
    said = " ".join(done.stdout.split())
    assert "refuses the login of user expired: Unauthorized" in said
    assert "Traceback" not in done.stderr
    for row in cli.rows().values():
        assert (row["status"], row["reason"], row["pid"]) == ("suspended", "login-expired", None)
        assert "; " in row["message"]  # and what fixes it
    assert cli.children("kubectl") == cli.children("socat") == []


def test_who_may_look_and_not_forward_is_5_told_which_verbs_are_missing_and_has_the_node_ports(
    rig: Rig, make_cli: Make
) -> None:
    cli = make_cli(rig.user("limited"))
    forwards = {**ways(*ALL), "auto": {**HERE, "localPort": talk.free_ports(1)[0]}}
    done = cli.up(forwards, code=5)
    assert "Traceback" not in done.stderr
    rows = cli.rows()
    for name in ("kubectl", "tunnel"):
        assert (rows[name]["status"], rows[name]["reason"]) == ("error", "not-permitted"), rows[name]
        assert "pods/portforward" in rows[name]["message"]
    for name in ("nodeport", "socat", "auto"):
        assert rows[name]["status"] == "active", rows[name]
        assert talk.pod_behind(rows[name]["localPort"]).startswith("web-")
    assert rows["auto"]["method"] == "nodeport"
    assert cli.children("port-forward") == []


def test_A11_a_user_of_one_namespace_starts_normally_by_every_method(rig: Rig, make_cli: Make) -> None:
    """No node list, nothing cluster-wide; another namespace is refused in the API's words."""
    cli = make_cli(rig.user("viewer"))
    other = {**HERE, "target": "service/amp-api", "namespace": "wso2-amp", "localPort": talk.free_ports(1)[0]}
    cli.up({**ways(*ALL), "other": other}, code=5)
    for method in ALL:
        assert cli.status(method)["status"] == "active", cli.status(method)
        assert talk.pod_behind(cli.status(method)["localPort"]).startswith("web-")
    row = cli.status("other")
    assert (row["status"], row["reason"]) == ("error", "not-permitted")
    assert 'cannot list resource "services"' in row["message"]


def test_a_cluster_that_cannot_be_reached_is_4_in_the_kernels_words(
    rig: Rig, make_cli: Make, tmp_path: Path
) -> None:
    config = yaml.safe_load(rig.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    gone = tmp_path / "kubeconfig"
    gone.write_text(yaml.safe_dump(config))
    cli = make_cli(gone)
    done = cli.up(ways(*ALL), code=4)
    said = " ".join(done.stdout.split())
    assert "cannot reach the API server https://127.0.0.1:1: connection refused" in said.lower().replace(
        "api", "API"
    )
    assert {(row["status"], row["reason"]) for row in cli.rows().values()} == {
        ("suspended", "cluster-unreachable")
    }
    assert cli.children("kubectl") == cli.children("socat") == []
    assert cli("wait", "--timeout", "100ms", code=None).returncode == 4


@pytest.mark.parametrize("method", ["auto", "kubectl", "tunnel"])
def test_A40_an_api_server_behind_a_path_works(rig: Rig, make_cli: Make, tmp_path: Path, method: str) -> None:
    with behind_prefix(rig.user("token"), tmp_path) as kubeconfig:
        cli = make_cli(kubeconfig)
        port = talk.free_ports(1)[0]
        cli.up(
            {
                "web": {
                    **HERE,
                    "target": "deployment/web",
                    "targetPort": 8080,
                    "localPort": port,
                    "method": method,
                }
            }
        )
        assert talk.pod_behind(port).startswith("web-")
        assert cli.status("web")["method"] == ("tunnel" if method == "auto" else method)


def test_B9_the_five_services_of_the_quick_start_answer_from_five_pods(cli: Program) -> None:
    text = (Path(__file__).parents[2] / "quick-start" / "kfw.yaml").read_text()
    forwards = yaml.safe_load(text)["portForwards"]
    for entry, port in zip(forwards.values(), talk.free_ports(5), strict=True):
        entry["localPort"] = port
    cli.up(forwards)
    pods = {name: _pod(row) for name, row in cli.rows().items()}
    for name, pod in pods.items():
        assert pod.startswith(f"{name}-")
    assert len(pods) == 5
    assert [one["ok"] for one in cli.json("verify")] == [True] * 5


def _pod(row: Entry) -> str:
    scheme = "https" if row["targetPort"] == "https" else "http"
    return str(talk.get(f"{scheme}://127.0.0.1:{row['localPort']}/")["pod"])
