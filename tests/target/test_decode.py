"""The API's JSON, as real servers send it, and what kfw keeps of it."""

import tracemalloc
from typing import Any

import msgspec
import pytest

from kfw.kube import resource as r
from kfw.kube.api_errors import NotUnderstood
from kfw.target import objects as o
from kfw.target.objects import ContainerPort, Owner, SliceEndpoint, SlicePort
from kfw.target.registry import decoder


def listed(*items: dict[str, Any], **meta: str) -> bytes:
    return msgspec.json.encode(
        {"kind": "List", "metadata": {"resourceVersion": "7", **meta}, "items": list(items)}
    )


def one(resource: r.Resource, item: dict[str, Any]) -> Any:
    return decoder(resource).item(msgspec.json.encode(item))


def running_pod(name: str = "web-1", **status: Any) -> dict[str, Any]:
    """As a server of 1.34 sends it, with much that kfw does not use."""
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "12",
            "labels": {"app": "web", "pod-template-hash": "9d497d764"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x" * 2000},
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:conditions": {}}}}] * 5,
            "ownerReferences": [
                {"kind": "Job", "name": "other", "uid": "u1"},
                {"kind": "ReplicaSet", "name": "web-9d497d764", "uid": "u2", "controller": True},
            ],
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [
                {
                    "name": "app",
                    "image": "kfw-app:1",
                    "ports": [
                        {"containerPort": 8080, "name": "http", "protocol": "TCP"},
                        {"containerPort": 9006, "name": "udp", "protocol": "UDP"},
                        {"containerPort": 9000},
                    ],
                },
                {"name": "bare"},
            ],
            "initContainers": [
                {"name": "setup", "ports": [{"containerPort": 1, "name": "once"}]},
                {
                    "name": "mesh",
                    "restartPolicy": "Always",
                    "ports": [{"containerPort": 15001, "name": "mesh"}],
                },
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.244.1.3",
            "hostIP": "172.18.0.2",
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": "app", "ready": True, "state": {"running": {"startedAt": "x"}}}],
            **status,
        },
    }


def test_a_pod_is_trimmed_to_what_resolve_asks() -> None:
    assert one(r.PODS, running_pod()) == o.Pod(
        name="web-1",
        labels={"app": "web", "pod-template-hash": "9d497d764"},
        owner=Owner("ReplicaSet", "web-9d497d764", "u2"),
        ready=True,
        running=True,
        ports=(ContainerPort(8080, "http"), ContainerPort(9000), ContainerPort(15001, "mesh")),
        ip="10.244.1.3",
        host_ip="172.18.0.2",
        node="node-1",
    )


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


NOT_READY = condition("Ready", "False", "ContainersNotReady", "containers with unready status: [app]")


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "app", "ready": False, "state": state, **more}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            {
                "phase": "Pending",
                "conditions": [
                    condition("PodScheduled", "False", "Unschedulable", "0/2 nodes are available")
                ],
                "containerStatuses": None,
            },
            "Pending: Unschedulable (0/2 nodes are available)",
        ),
        (
            {
                "conditions": [NOT_READY],
                "containerStatuses": [
                    container({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}})
                ],
            },
            "container app: CrashLoopBackOff (back-off 5m0s)",
        ),
        (
            {
                "phase": "Pending",
                "conditions": [NOT_READY],
                "containerStatuses": [container({"waiting": {"reason": "ImagePullBackOff", "message": ""}})],
            },
            "container app: ImagePullBackOff",
        ),
        (
            {
                "phase": "Pending",
                "conditions": [NOT_READY],
                "initContainerStatuses": [container({"terminated": {"reason": "Error", "exitCode": 3}})],
                "containerStatuses": [container({"waiting": {"reason": "PodInitializing"}})],
            },
            "init container app ended: Error (exit code 3)",
        ),
        (
            {"conditions": [NOT_READY], "containerStatuses": [container({"running": {}}, started=True)]},
            "container app runs, its readiness probe has not succeeded",
        ),
        (
            {"conditions": [NOT_READY], "containerStatuses": [container({"running": {}}, started=False)]},
            "container app runs, its startup probe has not succeeded",
        ),
        (
            {
                "conditions": [condition("Ready", "False", "ReadinessGatesNotReady", "gate x is False")],
                "containerStatuses": [container({"running": {}}, ready=True)],
            },
            "Running: ReadinessGatesNotReady (gate x is False)",
        ),
        (
            {
                "phase": "Pending",
                "conditions": [NOT_READY],
                "containerStatuses": [container({"waiting": {"reason": "ContainerCreating"}})],
            },
            "Pending: ContainersNotReady (containers with unready status: [app])",
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "low on disk"},
            "it has ended: Evicted (low on disk)",
        ),
        ({"phase": "Succeeded"}, "it has ended: Succeeded"),
        ({"phase": "", "conditions": None, "containerStatuses": None}, "it is Pending"),
    ],
)
def test_a_pod_that_is_not_ready_knows_the_most_telling_reason(status: dict[str, Any], why: str) -> None:
    pod = one(r.PODS, running_pod(**status))

    assert (pod.ready, pod.why) == (False, why)


def test_a_terminating_pod_is_not_ready_whatever_its_condition_says() -> None:
    dying = running_pod()
    dying["metadata"]["deletionTimestamp"] = "2026-11-21T07:00:00Z"

    pod = one(r.PODS, dying)
    assert (pod.why, pod.running, pod.terminating) == ("it is terminating", True, True)


def test_a_service_keeps_its_ports_selector_and_policy() -> None:
    wire = {
        "metadata": {"name": "web"},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.96.0.7",
            "selector": {"app": "web"},
            "externalTrafficPolicy": "Local",
            "ports": [
                {"name": "a", "port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"},
                {"name": "b", "port": 53, "targetPort": 5353, "protocol": "UDP"},
                {"name": "c", "port": 81, "targetPort": 0},
                {"name": "d", "port": 82},
            ],
        },
    }
    service = one(r.SERVICES, wire)

    assert (service.type, service.headless, service.local) == ("LoadBalancer", False, True)
    assert [(p.name, p.protocol, p.target, p.node_port) for p in service.ports] == [
        ("a", "TCP", "http", 30080),
        ("b", "UDP", 5353, 0),
        ("c", "TCP", None, 0),
        ("d", "TCP", None, 0),
    ]
    assert one(r.SERVICES, {"metadata": {"name": "db"}, "spec": {"clusterIP": "None"}}).headless
    published = {"metadata": {"name": "db"}, "spec": {"publishNotReadyAddresses": True}}
    assert one(r.SERVICES, published).publishes_unready and not service.publishes_unready


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        (None, True),
        ({}, True),
        ({"ready": True}, True),
        ({"ready": None, "serving": None}, True),
        ({"ready": False}, False),
        ({"ready": False, "serving": True, "terminating": True}, False),
        ({"ready": True, "serving": True, "terminating": True}, False),
        ({"ready": True, "serving": False}, False),  # publishNotReadyAddresses
        ({"ready": True, "serving": False, "terminating": True}, False),
    ],
)
def test_an_endpoint_is_ready_unless_it_says_otherwise(conditions: Any, ready: bool) -> None:
    endpoint: dict[str, Any] = {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "web-1"}}
    if conditions is not None:
        endpoint["conditions"] = conditions
    wire = {
        "metadata": {"name": "web-abc", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": None, "port": None}],
        "endpoints": [{**endpoint, "nodeName": "node-1"}],
    }

    part = one(r.ENDPOINTSLICES, wire)

    assert part.service == "web"
    assert part.ports == (SlicePort(8080, "http"), SlicePort(None))
    terminating = bool(conditions and conditions.get("terminating"))
    assert part.endpoints == (SliceEndpoint("10.0.0.1", "web-1", "node-1", ready, terminating),)


def test_an_endpoint_that_is_no_pod_has_no_pods_name() -> None:
    endpoint = {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Node", "name": "node-1"}}

    assert one(r.ENDPOINTSLICES, {"metadata": {"name": "x"}, "endpoints": [endpoint]}).endpoints[0].pod == ""


def test_a_node_has_its_internal_addresses_first() -> None:
    wire = {
        "metadata": {"name": "node-1"},
        "status": {
            "addresses": [
                {"type": "ExternalIP", "address": "203.0.113.1"},
                {"type": "Hostname", "address": "node-1"},
                {"type": "InternalIP", "address": "172.18.0.2"},
            ],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }

    assert one(r.NODES, wire) == o.Node("node-1", True, ("172.18.0.2", "203.0.113.1"))


def test_a_page_tells_where_the_next_one_begins() -> None:
    page = decoder(r.PODS).page(listed(running_pod(), **{"continue": "abc"}))

    assert (page.version, page.next, len(page.items)) == ("7", "abc", 1)
    assert decoder(r.PODS).page(b'{"metadata":{},"items":null}').items == []


def test_a_change_carries_the_version_to_resume_from() -> None:
    line = msgspec.json.encode({"type": "MODIFIED", "object": running_pod()})
    change = decoder(r.PODS).change(line)

    assert (change.type, change.item.name, change.version) == ("MODIFIED", "web-1", "12")


def test_a_bookmark_is_no_object_even_where_its_fields_are_null() -> None:
    line = b'{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"99"},"spec":{"containers":null}}}'
    change = decoder(r.PODS).change(line)

    assert (change.item, change.version) == (None, "99")


def test_an_error_in_the_stream_is_handed_on_as_it_came() -> None:
    change = decoder(r.PODS).change(b'{"type":"ERROR","object":{"kind":"Status","code":410}}')

    assert change.type == "ERROR" and b"410" in change.item


@pytest.mark.parametrize("line", [b"<html>", b'{"type":"ADDED"}', b'{"type":"NEW","object":{}}', b"[]"])
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(NotUnderstood):
        decoder(r.PODS).change(line)


def test_500_pods_are_kept_in_less_than_a_megabyte() -> None:
    body = listed(*(running_pod(f"web-9d497d764-{number:05d}") for number in range(500)))
    reader = decoder(r.PODS)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        pods = {pod.name: pod for pod in map(reader.item, reader.page(body).items)}
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert len(pods) == 500
    assert kept < 1_000_000
