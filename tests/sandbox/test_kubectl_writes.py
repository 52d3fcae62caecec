"""What people change with the real kubectl."""

import json

import pytest

from kfw.sandbox.api.kinds import PODS
from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.objects import name_of
from kfw.sandbox.sandbox import Sandbox
from tests.sandbox.kubectl import Kubectl, needs_kubectl

pytestmark = [pytest.mark.asyncio, pytest.mark.sandbox, needs_kubectl]

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: demo}
spec:
  replicas: %d
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - {name: app, image: kfw/http, ports: [{name: http, containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: demo}
spec:
  type: NodePort
  selector: {app: api}
  ports: %s
"""
ONE = [{"name": "http", "port": 80, "targetPort": "http"}]
TWO = [*ONE, {"name": "admin", "port": 81, "targetPort": 8080}]


def manifest(replicas: int, ports: list[dict[str, object]]) -> str:
    return MANIFEST % (replicas, json.dumps(ports))


def ports(sandbox: Sandbox) -> list[int]:
    return [port["port"] for port in sandbox.get("services", "demo", "api")["spec"]["ports"]]


async def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl, sandbox: Sandbox) -> None:
    await kubectl("apply -f -", stdin=manifest(1, TWO))
    await sandbox.settled()
    first = sandbox.node_port("demo", "api", 80)
    await kubectl("apply -f -", stdin=manifest(2, ONE))
    await sandbox.settled()
    assert ports(sandbox) == [80]
    assert sandbox.node_port("demo", "api", 80) == first
    assert len(sandbox.pods("demo", "api")) == 2
    before = sandbox.get("deployments", "demo", "api")["metadata"]["generation"]
    said = await kubectl("apply -f -", stdin=manifest(2, ONE))
    assert said.count("unchanged") == 2
    assert sandbox.get("deployments", "demo", "api")["metadata"]["generation"] == before


async def test_apply_from_the_server_side_is_not_there_and_kubectl_says_so(kubectl: Kubectl) -> None:
    said = await kubectl.run("apply --server-side -f -", stdin=manifest(1, ONE))
    assert said.code == 1
    assert "Server-side apply not available on the server" in said.err


async def test_apply_says_what_the_server_refuses(kubectl: Kubectl) -> None:
    wrong = [{"name": "http", "port": 80, "nodePort": 80}]
    said = await kubectl.run("apply -f -", stdin=manifest(1, wrong))
    assert said.code == 1
    assert "provided port is not in the valid range" in said.err


async def test_create_works_for_what_kubectl_can_create(kubectl: Kubectl, sandbox: Sandbox) -> None:
    await kubectl("create namespace new")
    await kubectl("create deployment app --image=kfw/http --replicas=2 --port=8080 -n new")
    await kubectl("expose deployment app --port=80 --target-port=8080 --type=NodePort -n new")
    await kubectl("create configmap one --from-literal=a=b -n new")
    await kubectl("create secret generic two --from-literal=c=d -n new")
    await kubectl("run single --image=kfw/echo -n new")
    await kubectl("rollout status deployment/app -n new --timeout=10s")
    await kubectl("wait pod/single --for=condition=Ready -n new --timeout=10s")
    assert sandbox.get("configmaps", "new", "one")["data"] == {"a": "b"}
    assert sandbox.get("secrets", "new", "two")["data"] == {"c": "ZA=="}
    assert sandbox.node_port("new", "app") >= 30000
    await kubectl("delete namespace new")
    assert [thing for thing in sandbox.list("pods") if thing["metadata"]["namespace"] == "new"] == []


async def test_scale_and_the_three_patches(kubectl: Kubectl, sandbox: Sandbox) -> None:
    async def patched(*words: str) -> int:
        await kubectl("patch deployment web -n demo", *words)
        return int(sandbox.get("deployments", "demo", "web")["spec"]["replicas"])

    await kubectl("scale deployment web -n demo --replicas=4")
    assert sandbox.get("deployments", "demo", "web")["spec"]["replicas"] == 4
    assert (await kubectl.run("scale deployment web -n demo --current-replicas=2 --replicas=1")).code == 1
    assert await patched("-p", '{"spec": {"replicas": 3}}') == 3
    assert await patched("--type=merge", "-p", '{"spec": {"replicas": 2}}') == 2
    assert (
        await patched("--type=json", "-p", '[{"op": "replace", "path": "/spec/replicas", "value": 1}]') == 1
    )
    await sandbox.settled()
    assert len(sandbox.pods("demo", "web")) == 1


async def test_label_and_annotate(kubectl: Kubectl, sandbox: Sandbox) -> None:
    await kubectl("label service web -n demo a=b")
    assert sandbox.get("services", "demo", "web")["metadata"]["labels"]["a"] == "b"
    await kubectl("annotate pod db-0 -n demo sandbox.kfw.dev/ready=false")
    await kubectl("wait pod/db-0 -n demo --for=condition=Ready=false --timeout=5s")
    await kubectl("annotate pod db-0 -n demo sandbox.kfw.dev/ready-")
    await kubectl("wait pod/db-0 -n demo --for=condition=Ready --timeout=5s")


async def test_rollout_restart_gives_every_pod_a_new_name(kubectl: Kubectl, sandbox: Sandbox) -> None:
    before = set(map(name_of, sandbox.pods("demo", "web")))
    await kubectl("rollout restart deployment/web -n demo")
    said = await kubectl("rollout status deployment/web -n demo --timeout=10s")
    assert 'deployment "web" successfully rolled out' in said
    after = set(map(name_of, sandbox.pods("demo", "web")))
    assert len(after) == 2
    assert not before & after
    await kubectl("rollout undo deployment/web -n demo")
    await kubectl("rollout status deployment/web -n demo --timeout=10s")
    revisions = [one["metadata"]["annotations"] for one in sandbox.list("replicasets", "demo")]
    assert sorted(one["deployment.kubernetes.io/revision"] for one in revisions) == ["2", "3"]


async def test_a_stateful_set_is_renewed_in_order_with_the_same_names(
    kubectl: Kubectl, sandbox: Sandbox
) -> None:
    await kubectl("scale statefulset db -n demo --replicas=3")
    await kubectl("rollout status statefulset/db -n demo --timeout=10s")
    removed: list[str] = []
    leave = sandbox.store.subscribe(
        lambda change: (
            removed.append(name_of(change.thing))
            if change.resource is PODS and change.type == "DELETED"
            else None
        )
    )
    await kubectl("rollout restart statefulset/db -n demo")
    await kubectl("rollout status statefulset/db -n demo --timeout=10s")
    leave()
    assert removed == ["db-2", "db-1", "db-0"]
    assert sorted(map(name_of, sandbox.pods("demo", "db"))) == ["db-0", "db-1", "db-2"]


async def test_deleted_pods_are_replaced_by_others(kubectl: Kubectl, sandbox: Sandbox) -> None:
    for way in ("", "--now", "--force"):
        before = set(map(name_of, sandbox.pods("demo", "web")))
        said = await kubectl(f"delete pod -l app=web -n demo {way}")
        assert said.count("deleted") == 2
        await sandbox.settled()
        assert not before & set(map(name_of, sandbox.pods("demo", "web")))


async def test_deleting_a_deployment_takes_its_pods_and_leaves_orphans_when_told(
    kubectl: Kubectl, sandbox: Sandbox
) -> None:
    await kubectl("delete deployment web -n demo --cascade=orphan")
    assert len(sandbox.pods("demo", "web")) == 2
    await kubectl("delete replicaset -l app=web -n demo")
    await kubectl("wait pod -l app=web -n demo --for=delete --timeout=10s")
    await kubectl("delete service web -n demo")
    await sandbox.until(
        lambda: not [one for one in sandbox.list("endpointslices", "demo") if "web" in name_of(one)]
    )


async def test_drain_and_uncordon(kubectl: Kubectl, sandbox: Sandbox) -> None:
    await kubectl("drain sandbox-worker --ignore-daemonsets --force")
    await sandbox.settled()
    assert {pod["spec"]["nodeName"] for pod in sandbox.list("pods")} == {"sandbox-control-plane"}
    assert "SchedulingDisabled" in await kubectl("get nodes")
    await kubectl("uncordon sandbox-worker")


async def test_pods_take_their_time_when_they_are_told_to(kubectl: Kubectl, sandbox: Sandbox) -> None:
    assert Behaviour().start_after > 0
    overrides = '{"metadata": {"annotations": {"sandbox.kfw.dev/start-after": "60s"}}}'
    await kubectl("run slow --image=kfw/http --overrides", overrides)
    assert "ContainerCreating" in await kubectl("get pod slow")
    assert "waiting to start: ContainerCreating" in (await kubectl.run("logs slow")).err
    assert (await kubectl.run("wait pod/slow --for=condition=Ready --timeout=300ms")).code == 1
