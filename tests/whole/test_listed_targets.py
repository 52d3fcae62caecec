"""kfw targets: what there is to forward, asked for as people type it, without a daemon."""

import logging
import time
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, pod, service, statefulset
from kfw.sandbox.manifests import namespace as namespace_object
from kfw.sandbox.manifests import port as service_port
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program

WEB = {"http": 8080}


def fill(shared: Place, where: str) -> None:
    shared.apply(
        deployment(where, "web", ports=WEB, replicas=2),
        service(where, "web", service_port(80, "http")),
        statefulset(where, "db", "kfw/http", ports={"sql": 5432}),
        pod(where, "alone", ports={"http": 8081}),
    )


def test_targets_shows_services_workloads_and_pods_with_their_ports_and_readiness(
    kfw: Program, shared: Place, namespace: str
) -> None:
    fill(shared, namespace)
    rows = {row["target"]: row for row in kfw.json("targets", "-n", namespace)}
    node_port = shared.node_port(namespace, "web")
    assert rows["service/web"] == {
        "namespace": namespace,
        "target": "service/web",
        "ports": [{"number": 80, "name": "http", "nodePort": node_port}],
        "ready": 2,
        "pods": 2,
        "mayForward": True,
    }
    assert rows["deployment/web"]["ports"] == [{"number": 8080, "name": "http", "nodePort": 0}]
    assert rows["statefulset/db"]["ports"][0]["number"] == 5432
    assert rows["pod/alone"]["ready"] == 1
    assert sum(target.startswith("pod/web-") for target in rows) == 2


def test_targets_is_a_table_that_a_word_makes_shorter(kfw: Program, shared: Place, namespace: str) -> None:
    fill(shared, namespace)
    head, *lines = kfw("targets", "-n", namespace, "db").stdout.splitlines()
    assert head.split() == ["TARGET", "READY", "PORTS"]
    assert [line.split()[0] for line in lines] == ["statefulset/db", "pod/db-0"]
    assert "5432 sql" in lines[0]
    none = kfw("targets", "-n", namespace, "nowhere")
    assert none.stdout == ""
    assert f"found nothing like 'nowhere' in namespace {namespace}" in none.stderr


def test_targets_of_all_namespaces_says_which_is_which(kfw: Program, shared: Place, namespace: str) -> None:
    fill(shared, namespace)
    done = kfw("targets", "-A", "web")
    assert done.stdout.split()[:2] == ["NAMESPACE", "TARGET"]
    assert any(line.split()[:2] == [namespace, "service/web"] for line in done.stdout.splitlines())
    assert namespace in {row["namespace"] for row in kfw.json("targets", "-A")}


def test_who_may_not_list_is_told_what_and_where_and_ends_with_5(
    make_kfw: Make, shared: Place, namespace: str
) -> None:
    fill(shared, namespace)
    kfw = make_kfw(shared.user(f"user-{namespace}", namespace))
    assert kfw.json("targets", "-n", namespace)[0]["mayForward"] is True
    refused = kfw("targets", "-A", code=5)
    assert "may not list services" in refused.stderr
    assert "kfw targets -n NAME" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--context", "nowhere"), 'context "nowhere" does not exist'),
        (("-n", "nowhere"), "namespace 'nowhere' does not exist"),
        (("-n", "demo", "-A"), "cannot be used together"),
    ],
)
def test_a_wrong_word_is_bad_usage_and_says_what_there_is(
    kfw: Program, arguments: tuple[str, ...], word: str
) -> None:
    refused = kfw("targets", *arguments, code=2)
    assert word in refused.stderr
    assert refused.stdout == ""


def test_a_cluster_that_is_away_is_said_and_ends_with_4(make_kfw: Make, own: Place) -> None:
    kfw = make_kfw(own.kubeconfig)
    own.stop_api()
    began = time.monotonic()
    assert "kfw: " in kfw("targets", code=4).stderr
    assert time.monotonic() - began < 10
    assert not kfw.answers()  # no daemon is started for a look


def test_500_services_of_20_namespaces_are_all_listed_with_the_right_to_forward_to_each(
    make_kfw: Make, own: Place
) -> None:
    places = [f"team-{number:02}" for number in range(20)]
    services = [(place, f"s-{number:02}") for place in places for number in range(26)]
    own.apply(*map(namespace_object, places))
    own.apply(*(service(*one, service_port(80, "http"), kind="ClusterIP") for one in services))
    kfw = make_kfw(_looks_everywhere(own, *places[::2]))
    rows = kfw.json("targets", "-A", "service/s-")  # more than a page
    assert [(row["namespace"], row["target"]) for row in rows] == [
        (place, f"service/{name}") for place, name in services
    ]
    assert {(row["namespace"], row["mayForward"]) for row in rows} == {
        (place, place in places[::2]) for place in places
    }


def test_only_the_namespaces_of_what_is_shown_are_asked_for_the_right_to_forward(
    make_kfw: Make, own: Place, caplog: pytest.LogCaptureFixture
) -> None:
    places = [f"team-{number}" for number in range(6)]
    own.apply(*map(namespace_object, places))
    own.apply(
        *(service(place, f"of-{place}", service_port(80, "http"), kind="ClusterIP") for place in places)
    )
    kfw = make_kfw(_looks_everywhere(own, "team-2"))
    with caplog.at_level(logging.DEBUG, "kfw.sandbox.api.handler"):
        (row,) = kfw.json("targets", "-A", "of-team-2")
    assert row["mayForward"] is True
    asked = [line for line in caplog.messages if "/selfsubjectaccessreviews" in line]
    assert len(asked) == 2  # in all namespaces, and in that one


def _looks_everywhere(where: Place, *may_forward: str) -> Path:
    """The kubeconfig of one who may forward in these namespaces only."""
    return where.do(lambda sandbox: sandbox.add_user("looker", *may_forward, everywhere=["list"]))
