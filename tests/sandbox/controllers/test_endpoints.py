from kfw.sandbox.api import kinds
from kfw.sandbox.api.store import Store
from kfw.sandbox.controllers.actions import Create, Delete, Replace
from kfw.sandbox.controllers.endpoints import endpoints, reconcile, slices, target_port
from kfw.sandbox.objects import Object, name_of


def pod(name: str, number: int = 8080, *, ready: bool = True, leaving: bool = False) -> Object:
    metadata: Object = {"name": name, "namespace": "n", "uid": name, "labels": {"app": "web"}}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    box = {
        "name": "app",
        "ports": [{"name": "http", "containerPort": number}, {"name": "http", "protocol": "UDP"}],
    }
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"podIP": f"10.0.0.{number % 100}", "conditions": conditions}
    return {"metadata": metadata, "spec": {"nodeName": "node", "containers": [box]}, "status": status}


def service(**spec: object) -> Object:
    ports = [{"name": "web", "port": 80, "targetPort": "http"}]
    metadata = {"name": "web", "namespace": "n", "uid": "s", "labels": {"x": "y"}}
    head = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    return {**head, "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": ports, **spec}}


def conditions(one: Object) -> Object:
    found: Object = slices(service(), [one])[0]["endpoints"][0]["conditions"]
    return found


def test_a_ready_pod_is_ready_and_serving() -> None:
    assert conditions(pod("a")) == {"ready": True, "serving": True, "terminating": False}


def test_a_pod_that_drains_is_serving_but_not_ready() -> None:
    assert conditions(pod("a", leaving=True)) == {"ready": False, "serving": True, "terminating": True}


def test_an_unready_pod_is_neither() -> None:
    assert conditions(pod("a", ready=False)) == {"ready": False, "serving": False, "terminating": False}


def test_pods_that_mean_different_numbers_by_a_name_get_slices_of_their_own() -> None:
    made = slices(service(), [pod("a", 8080), pod("b", 9090), pod("c", 8080)])
    assert sorted((one["ports"][0]["port"], len(one["endpoints"])) for one in made) == [(8080, 2), (9090, 1)]
    assert len({one["metadata"]["name"] for one in made}) == 2


def test_a_service_without_pods_has_one_empty_slice() -> None:
    (one,) = slices(service(), [])
    assert (one["endpoints"], one["ports"]) == ([], [])
    assert one["metadata"]["labels"]["kubernetes.io/service-name"] == "web"


def test_a_named_target_port_is_looked_up_in_the_pod_by_protocol() -> None:
    assert target_port({"port": 80, "targetPort": "http", "protocol": "TCP"}, pod("a", 8081)) == 8081
    assert target_port({"port": 80, "targetPort": "nope"}, pod("a")) is None
    assert target_port({"port": 80}, pod("a")) == 80


def test_endpoints_tell_ready_from_not_ready_and_leave_out_what_leaves() -> None:
    made = endpoints(service(), [pod("a"), pod("b", ready=False), pod("c", leaving=True)])
    ready, waiting = made["subsets"]
    assert [one["targetRef"]["name"] for one in ready["addresses"]] == ["a"]
    assert [one["targetRef"]["name"] for one in waiting["notReadyAddresses"]] == ["b"]
    assert ready["ports"] == [{"name": "web", "port": 8080, "protocol": "TCP"}]


def done(of: Object, store: Store) -> list[str]:
    """What was done to slices in one pass, in words."""
    said = []
    for action in list(reconcile(of, store)):
        match action:
            case Create(resource, thing):
                said.append(f"create {name_of(store.create(resource, thing))}")
            case Replace(resource, thing):
                before = store.version
                name = name_of(store.replace(resource, thing))
                said += [f"change {name}"] if store.version > before else []
            case Delete(resource, thing):
                said.append(f"delete {name_of(store.remove(resource, 'n', name_of(thing)))}")
    return [one for one in said if one.split()[1] != "web"]  # that is the Endpoints object


def test_a_slice_changes_with_the_services_port_and_is_never_away() -> None:
    store = Store(lambda: 1000.0)
    store.create(kinds.PODS, pod("a", 8080))
    (made,) = done(service(), store)
    name = made.removeprefix("create ")
    other = service(ports=[{"name": "web", "port": 80, "targetPort": 7777}])
    assert done(other, store) == [f"change {name}"]
    assert done(other, store) == []
    store.remove(kinds.PODS, "n", "a")
    assert done(other, store) == [f"change {name}"]


def test_a_second_slice_comes_and_goes_beside_the_one_that_has_the_same_ports() -> None:
    store = Store(lambda: 1000.0)
    store.create(kinds.PODS, pod("b", 8080))
    (made,) = done(service(), store)
    kept = made.removeprefix("create ")
    store.remove(kinds.PODS, "n", "b")
    store.create(kinds.PODS, pod("b", 9090))
    assert done(service(), store) == [f"change {kept}"]
    store.create(kinds.PODS, pod("a", 8080))
    (second,) = done(service(), store)
    assert second.startswith("create ") and second.removeprefix("create ") != kept
    assert done(service(), store) == []
    store.remove(kinds.PODS, "n", "b")
    assert done(service(), store) == [f"delete {kept}"]


def test_a_service_that_publishes_unready_pods_calls_all_of_them_ready_also_those_that_end() -> None:
    """k8s.io/endpointslice, `podToEndpoint`; kubectl get endpoints shows the same addresses."""
    published = service(publishNotReadyAddresses=True)
    some = [pod("a"), pod("b", ready=False), pod("c", leaving=True), pod("d", ready=False, leaving=True)]
    (made,) = slices(published, some)
    assert [
        tuple(one["conditions"][key] for key in ("ready", "serving", "terminating"))
        for one in made["endpoints"]
    ] == [(True, True, False), (True, False, False), (True, True, True), (True, False, True)]
    (subset,) = endpoints(published, some)["subsets"]
    assert [one["targetRef"]["name"] for one in subset["addresses"]] == ["a", "b", "c", "d"]
    assert "notReadyAddresses" not in subset
