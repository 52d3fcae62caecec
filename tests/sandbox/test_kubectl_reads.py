"""What people look at with the real kubectl."""

import asyncio

import pytest

from kfw.sandbox.sandbox import Sandbox
from tests.sandbox.kubectl import Kubectl, needs_kubectl

pytestmark = [pytest.mark.asyncio, pytest.mark.sandbox, needs_kubectl]


async def test_get_shows_tables_as_on_a_real_cluster(kubectl: Kubectl) -> None:
    pods = (await kubectl("get pods -n demo")).splitlines()
    assert pods[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert pods[1].split()[:4] == ["db-0", "1/1", "Running", "0"]
    wide = (await kubectl("get pods -n demo -o wide")).splitlines()
    assert wide[0].split()[5:7] == ["IP", "NODE"]


async def test_get_shows_every_kind(kubectl: Kubectl, sandbox: Sandbox) -> None:
    everything = await kubectl(
        "get all,endpoints,endpointslices,nodes,namespaces,configmaps,events -n demo -o wide"
    )
    for part in (
        "deployment.apps/web",
        "statefulset.apps/db",
        "80:",
        "node/sandbox-worker",
        "SuccessfulCreate",
    ):
        assert part in everything
    assert sandbox.nodes["sandbox-worker"] in everything


async def test_get_answers_by_label_field_name_and_path(kubectl: Kubectl, sandbox: Sandbox) -> None:
    assert len((await kubectl("get pods -A -l app=web -o name")).split()) == 2
    assert await kubectl("get pods -n demo --field-selector metadata.name=db-0 -o name") == "pod/db-0\n"
    port = await kubectl("get svc web -n demo -o", "jsonpath={.spec.ports[0].nodePort}")
    assert int(port) == sandbox.node_port("demo", "web")


async def test_get_says_what_is_not_there(kubectl: Kubectl) -> None:
    said = await kubectl.run("get service x -n demo")
    assert (said.code, said.err.strip()) == (1, 'Error from server (NotFound): services "x" not found')
    said = await kubectl.run("get nosuchthing")
    assert 'the server doesn\'t have a resource type "nosuchthing"' in said.err


async def test_get_w_follows_what_happens(kubectl: Kubectl, sandbox: Sandbox) -> None:
    child = await kubectl.start("get deployments -n demo -w")
    assert child.stdout is not None
    try:
        async with asyncio.timeout(10):
            assert b"NAME" in await child.stdout.readline()
            assert b"2/2" in await child.stdout.readline()
            sandbox.scale("deployments", "demo", "web", 3)
            while b"3/3" not in await child.stdout.readline():
                pass
    finally:
        child.kill()
        await child.communicate()


async def test_describe_tells_of_conditions_and_events(kubectl: Kubectl) -> None:
    deployment = await kubectl("describe deployment web -n demo")
    assert "2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in deployment
    assert "Scaled up replica set" in deployment
    pod = await kubectl("describe pod db-0 -n demo")
    assert "Controlled By:  StatefulSet/db" in pod
    assert "Successfully assigned demo/db-0" in pod
    assert "Kubelet Version" in await kubectl("describe node sandbox-worker")
    assert "NodePort" in await kubectl("describe service web -n demo")


async def test_logs_are_what_the_pod_said(kubectl: Kubectl, sandbox: Sandbox) -> None:
    assert await kubectl("logs db-0 -n demo") == "listening on 5432\n"
    stamped = await kubectl("logs statefulset/db -n demo --timestamps --tail=1")
    assert stamped.split()[0].endswith("Z")
    child = await kubectl.start("logs -f db-0 -n demo")
    assert child.stdout is not None
    async with asyncio.timeout(10):
        assert await child.stdout.readline() == b"listening on 5432\n"
        sandbox.delete("pods", "demo", "db-0")
        out, _ = await child.communicate()
    assert b"told to end, 0 open connections" in out


async def test_the_cluster_tells_what_it_is_and_what_one_may(kubectl: Kubectl, sandbox: Sandbox) -> None:
    assert sandbox.url in await kubectl("cluster-info")
    assert "kfw-sandbox" in await kubectl("version")
    assert "deployments" in await kubectl("api-resources")
    assert await kubectl("auth can-i delete pods") == "yes\n"
    assert await kubectl("config current-context") == "kfw-sandbox\n"
    user = Kubectl(sandbox.add_user("dev", "demo"), kubectl.home)
    assert (await user.run("auth can-i delete pods")).out == "no\n"
    assert (await user.run("auth can-i create pods --subresource=portforward")).out == "yes\n"
    assert 'User "dev" cannot list resource "nodes"' in (await user.run("get nodes")).err
