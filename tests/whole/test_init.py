"""kfw init as people type it: from a cluster, and round the circle of init and up."""

from collections.abc import Callable

import pytest
import yaml

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program
from tests.whole.test_completion import offered

Ports = Callable[[int], list[int]]


def test_moment_03_what_the_cluster_has_comes_up_as_it_was_written(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    [first, second] = ports(2)
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(first, "http", 8080), service_port(second, "extra", 8080)),
        service(namespace, "lost", service_port(80, "http"), selector={"app": "nobody"}),
        {
            "kind": "Service",
            "metadata": {"name": "bare", "namespace": namespace},
            "spec": {"ports": [{"port": 1234}]},
        },
    )
    done = kfw("init", "--from-cluster", "-n", namespace)
    assert "3 forwards, 1 of them disabled: no pod is ready" in done.stderr
    file = kfw.project / "kfw.yaml"
    forwards = yaml.safe_load(file.read_text())["portForwards"]
    assert {name: one["localPort"] for name, one in forwards.items()} == {
        "lost": 8080,
        "web": first,
        "web-extra": second,
    }
    assert forwards["lost"]["enabled"] is False
    assert "service/bare" in file.read_text()
    kfw("config", "check")
    kfw("up")
    assert kfw.status("web")["status"] == "active"
    assert talk.pod_behind(second).startswith("web-")


def test_a_file_that_is_there_is_kept_and_a_wrong_wish_is_said(kfw: Program, namespace: str) -> None:
    file = kfw.project / "kfw.yaml"
    assert "cannot find a service" in kfw("init", "--from-cluster", "-n", namespace, code=2).stderr
    assert not file.exists()
    file.write_text("# mine\n")
    assert "exists already" in kfw("init", "--from-cluster", "-n", namespace, code=2).stderr
    assert "cannot be used together" in kfw("init", "--from-cluster", "-A", "-n", namespace, code=2).stderr
    assert "--from-cluster" in kfw("init", "-n", namespace, code=2).stderr
    assert file.read_text() == "# mine\n"


def test_the_file_of_one_who_may_not_forward_says_so(make_kfw: Make, shared: Place, namespace: str) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    user = shared.do(lambda sandbox: sandbox.add_user("onlooker", namespace, verbs=["list"]))
    token = yaml.safe_load(user.read_text())["users"][0]["user"]["token"]
    kfw = make_kfw(user)
    kfw("init", "--from-cluster")
    text = (kfw.project / "kfw.yaml").read_text()
    assert f"You may not forward to pods in {namespace}" in text
    assert token not in text


def test_moment_02_init_and_up_do_not_send_each_other_in_a_circle(kfw: Program) -> None:
    """`kfw up`, `kfw init`, `kfw up`, `kfw init`."""
    nothing = kfw("up", code=2).stderr
    assert f"found no kfw.yaml in {kfw.project} or above" in nothing
    assert "kfw init --from-cluster" in nothing
    kfw("init")
    empty = kfw("up", code=2).stderr
    file = kfw.project / "kfw.yaml"
    line = file.read_text().splitlines().index("portForwards:") + 1
    assert f"{file} has no forwards yet" in empty
    assert f"in line {line}" in empty
    assert "kfw init" not in empty
    again = kfw("init", code=2).stderr
    assert "edit it" in again
    assert "kfw up" not in again


@pytest.mark.parametrize(
    ("begun", "value"),
    [
        ("kfw up ", "api"),
        ("kfw up --method ", "tunnel"),
        ("kfw up --context ", "kfw-sandbox"),
        ("kfw add -n ", "kube-system"),
        ("kfw sandbox fault ", "silent"),
    ],
)
def test_moment_23_tab_offers_what_the_first_hour_missed(kfw: Program, begun: str, value: str) -> None:
    kfw.configure({"api": {"target": "service/web", "targetPort": 80}})
    assert value in offered(kfw, begun)
