import asyncio
import socket
from pathlib import Path

import pytest

from kfw.errors import TimedOut
from kfw.sandbox.api.columns import status_word
from kfw.sandbox.manifests import default_set, deployment, port, service
from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.objects import Object, name_of
from kfw.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import AT_ONCE, small_set
from tests.sandbox.talk import api, ask, close, get, trusting_anybody

#: As the quick start has them: namespace, service, port, its name, node port.
FIVE = [
    ("wso2-amp", "amp-console", 3000, "http", 30300),
    ("wso2-amp", "amp-api", 8080, "http", 30808),
    ("openchoreo-observability-plane", "amp-traces-observer", 9098, "http", 30998),
    ("openchoreo-observability-plane", "data-prepper", 21893, "otlp-traces", 32189),
    ("openchoreo-data-plane", "gateway-external", 443, "https", 30843),
]


@pytest.mark.asyncio
async def test_B9_the_five_services_of_the_quick_start_answer_each_with_another_body(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, usual=AT_ONCE) as sandbox:
        said: set[str] = set()
        for where, name, number, port_name, node_port in FIVE:
            assert (
                sandbox.node_port(where, name, number)
                == sandbox.node_port(where, name, port_name)
                == node_port
            )
            tls = port_name == "https"
            reader, writer = await asyncio.open_connection(
                sandbox.nodes["sandbox-worker"], node_port, ssl=trusting_anybody() if tls else None
            )
            told = (await ask(reader, writer, "GET", "/")).json
            await close(writer)
            assert told["app"] == name
            said.add(told["says"])
        assert len(said) == 5
        kinds = {sandbox.get("services", where, name)["spec"]["type"] for where, name, *_ in FIVE}
        assert kinds == {"NodePort", "LoadBalancer"}


@pytest.mark.asyncio
async def test_a_node_port_that_somebody_else_has_becomes_another_one(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, objects=small_set(), usual=AT_ONCE) as sandbox:
        address = sandbox.nodes["sandbox-worker"]
    with socket.socket() as taken:
        taken.bind((address, 30300))
        taken.listen()
        async with Sandbox(tmp_path, usual=AT_ONCE) as sandbox:
            assert sandbox.nodes["sandbox-worker"] == address
            assert sandbox.node_port("wso2-amp", "amp-console") != 30300
            assert sandbox.node_port("wso2-amp", "amp-api") == 30808


@pytest.mark.asyncio
async def test_two_sandboxes_do_not_disturb_each_other(tmp_path: Path) -> None:
    async with (
        Sandbox(tmp_path / "one", usual=AT_ONCE) as one,
        Sandbox(tmp_path / "two", usual=AT_ONCE) as two,
    ):
        assert not set(one.nodes.values()) & set(two.nodes.values())
        assert one.url != two.url
        assert one.node_port("wso2-amp", "amp-console") == two.node_port("wso2-amp", "amp-console") == 30300
        two.scale("deployments", "demo", "web", 0)
        await two.settled()
        assert (await get(one, "web")).code == 200
        assert (await api(one, "/api/v1/pods", certificate=True)).code == 200


@pytest.mark.asyncio
async def test_pods_come_to_life_step_by_step(tmp_path: Path) -> None:
    words: list[str] = []
    async with Sandbox(tmp_path, objects=small_set(), usual=Behaviour(0.02, 0.02)) as sandbox:
        sandbox.apply(deployment("demo", "new", ports={"http": 80}))
        leave = sandbox.store.subscribe(
            lambda change: (
                words.append(status_word(change.thing) + str(len(sandbox.pods("demo", "new"))))
                if change.resource.plural == "pods"
                else None
            )
        )
        await sandbox.settled()
        leave()
    assert list(dict.fromkeys(words)) == ["Pending0", "ContainerCreating0", "Running0", "Running1"]


@pytest.mark.asyncio
async def test_waiting_for_what_does_not_happen_ends(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, objects=small_set(), usual=AT_ONCE) as sandbox:
        with pytest.raises(TimedOut, match=r"within 0.05 s"):
            await sandbox.until(lambda: False, 0.05)


@pytest.mark.asyncio
async def test_a_pod_that_is_never_ready_is_shown_so(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, objects=small_set(), usual=AT_ONCE) as sandbox:
        for name in map(name_of, sandbox.pods("demo", "web")):
            sandbox.annotate("pods", "demo", name, ready="false")
        await sandbox.until(lambda: not sandbox.pods("demo", "web"))
        status = sandbox.get("deployments", "demo", "web")["status"]
        assert (status["unavailableReplicas"], status.get("readyReplicas")) == (2, None)


@pytest.mark.asyncio
async def test_a_daemon_set_has_a_pod_on_each_node_and_is_renewed(tmp_path: Path) -> None:
    thing = {**deployment("demo", "agent", ports={"http": 8080}), "kind": "DaemonSet"}
    del thing["spec"]["replicas"]
    async with Sandbox(tmp_path, objects=[*small_set(), thing], usual=AT_ONCE) as sandbox:
        await sandbox.until(lambda: len(sandbox.pods("demo", "agent")) == 2)
        first = sandbox.pods("demo", "agent")
        assert {pod["spec"]["nodeName"] for pod in first} == set(sandbox.nodes)
        changed = {**thing, "spec": {**thing["spec"], "template": _labelled(thing["spec"]["template"])}}
        sandbox.apply(changed)
        await sandbox.until(
            lambda: (
                len({name_of(pod) for pod in sandbox.pods("demo", "agent")} - set(map(name_of, first))) == 2
            )
        )


def _labelled(template: Object) -> Object:
    labels = {**template["metadata"]["labels"], "version": "2"}
    return {**template, "metadata": {"labels": labels}}


@pytest.mark.asyncio
async def test_objects_of_odd_shapes_do_not_stop_the_cluster(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, objects=small_set(), usual=AT_ONCE) as sandbox:
        path = "/api/v1/namespaces/demo/services"
        body = b'{"metadata": {"name": "odd"}, "spec": {"selector": "app=web", "ports": [{"port": 80}]}}'
        assert (await api(sandbox, path, method="POST", body=body)).code in (201, 400, 422)
        body = b'{"metadata": {"name": "odder"}, "spec": {"ports": "80"}}'
        assert (await api(sandbox, path, method="POST", body=body)).code == 400
        sandbox.scale("deployments", "demo", "web", 3)
        await sandbox.settled()
        assert len(sandbox.pods("demo", "web")) == 3


@pytest.mark.asyncio
async def test_the_api_server_is_where_the_service_kubernetes_says(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, objects=small_set(), usual=AT_ONCE) as sandbox:
        (one,) = sandbox.list("endpointslices", "default")
        assert one["ports"][0]["port"] == sandbox.port
        assert sandbox.get("services", "default", "kubernetes")["spec"]["clusterIP"] == "10.96.0.1"


def test_the_default_set_has_what_people_expect_to_play_with() -> None:
    services = [name_of(one) for one in default_set() if one["kind"] == "Service"]
    assert services == [name for _, name, *_ in FIVE] + ["web", "echo", "digest", "db", "tls"]


@pytest.mark.asyncio
async def test_a_service_made_anew_has_another_node_port_when_its_old_one_is_taken(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, objects=small_set(), usual=AT_ONCE) as sandbox:
        before = sandbox.node_port("demo", "web")
        sandbox.delete("services", "demo", "web")
        sandbox.apply(service("demo", "thief", port(80, "http", node=before)))
        sandbox.apply(service("demo", "web", port(80, "http")))
        assert sandbox.node_port("demo", "web") != before
