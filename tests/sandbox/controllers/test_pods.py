from kfw.sandbox.controllers.actions import Note, Replace
from kfw.sandbox.controllers.pods import schedule
from kfw.sandbox.objects import Object


def node(name: str, **spec: object) -> Object:
    return {"metadata": {"name": name, "labels": {"disk": name}}, "spec": spec}


def pod(name: str, **spec: object) -> Object:
    return {"metadata": {"name": name, "namespace": "n"}, "spec": spec, "status": {}}


def chosen(pods: list[Object], nodes: list[Object]) -> list[str]:
    done = schedule(pods, nodes, 0.0)
    return [one.thing["spec"]["nodeName"] for one in done if isinstance(one, Replace)]


def test_pods_are_spread_over_the_nodes() -> None:
    nodes = [node("control-plane"), node("worker")]
    assert chosen([pod("a"), pod("b"), pod("c")], nodes) == ["worker", "control-plane", "worker"]


def test_a_cordoned_node_and_a_node_selector_are_respected() -> None:
    nodes = [node("one"), node("two", unschedulable=True)]
    assert chosen([pod("a"), pod("b")], nodes) == ["one", "one"]
    assert chosen([pod("a", nodeSelector={"disk": "one"})], [node("one"), node("two")]) == ["one"]


def test_a_pod_that_fits_nowhere_says_so_once() -> None:
    done = list(schedule([pod("a")], [node("one", unschedulable=True)], 0.0))
    told, note = done
    assert isinstance(told, Replace)
    assert isinstance(note, Note)
    assert told.thing["status"]["conditions"][0]["reason"] == "Unschedulable"
    assert list(schedule([told.thing], [node("one", unschedulable=True)], 1.0)) == []
