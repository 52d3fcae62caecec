from kfw.sandbox.controllers.actions import Create, Delete
from kfw.sandbox.controllers.sets import REVISION, reconcile_stateful_set, revision
from kfw.sandbox.objects import Object, name_of


def stateful(replicas: int = 3, **spec: object) -> Object:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": []}}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    head: Object = {"metadata": {"name": "db", "namespace": "n", "uid": "u", "generation": 1}, "status": {}}
    head |= {"apiVersion": "apps/v1", "kind": "StatefulSet"}
    usual = {
        "replicas": replicas,
        "template": template,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": strategy,
    }
    return {**head, "spec": {**usual, **spec}}


def pod(one: Object, ordinal: int, *, ready: bool = True, leaving: bool = False, old: bool = False) -> Object:
    metadata: Object = {"name": f"db-{ordinal}", "labels": {REVISION: "old" if old else revision(one)}}
    metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


def steps(one: Object, *pods: Object) -> list[str]:
    done = reconcile_stateful_set(one, list(pods))
    return [
        f"{type(step).__name__} {name_of(step.thing)}" for step in done if isinstance(step, Create | Delete)
    ]


def test_pods_are_made_one_by_one_each_when_those_before_it_are_ready() -> None:
    one = stateful()
    assert steps(one) == ["Create db-0"]
    assert steps(one, pod(one, 0, ready=False)) == []
    assert steps(one, pod(one, 0)) == ["Create db-1"]
    assert steps(one, pod(one, 0), pod(one, 2)) == ["Create db-1"]


def test_in_parallel_all_are_made_at_once() -> None:
    assert steps(stateful(podManagementPolicy="Parallel")) == ["Create db-0", "Create db-1", "Create db-2"]


def test_the_highest_goes_first_and_the_next_when_it_is_gone() -> None:
    one = stateful(1)
    assert steps(one, pod(one, 0), pod(one, 1), pod(one, 2)) == ["Delete db-2"]
    assert steps(one, pod(one, 0), pod(one, 1), pod(one, 2, leaving=True)) == []


def test_renewal_goes_from_the_highest_down_and_waits_for_each() -> None:
    one = stateful()
    assert steps(one, pod(one, 0, old=True), pod(one, 1, old=True), pod(one, 2, old=True)) == ["Delete db-2"]
    assert steps(one, pod(one, 0, old=True), pod(one, 1, old=True), pod(one, 2, ready=False)) == []
    assert steps(one, pod(one, 0, old=True), pod(one, 1, old=True), pod(one, 2)) == ["Delete db-1"]


def test_an_unready_pod_of_an_old_revision_does_not_stop_its_own_renewal() -> None:
    one = stateful(1)
    assert steps(one, pod(one, 0, ready=False, old=True)) == ["Delete db-0"]


def test_on_delete_and_a_partition_leave_old_pods_alone() -> None:
    by_hand = stateful(updateStrategy={"type": "OnDelete"})
    pods = [pod(by_hand, number, old=True) for number in range(3)]
    assert steps(by_hand, *pods) == []
    part = stateful(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    assert steps(part, *(pod(part, number, old=True) for number in range(3))) == ["Delete db-2"]
    assert steps(part, pod(part, 0, old=True), pod(part, 1, old=True), pod(part, 2)) == []
