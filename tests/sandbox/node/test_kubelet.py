"""Who may have a tunnel, and what the API says where there is none."""

import json

import pytest

from kfw.sandbox.sandbox import Sandbox
from kfw.wire.upgrade import SPDY, TUNNEL
from tests.sandbox.portforward.client import asked, path, tunnel
from tests.sandbox.talk import api

pytestmark = pytest.mark.asyncio


def token(sandbox: Sandbox, *verbs: str) -> str:
    sandbox.add_user("dev", "demo", verbs=verbs)
    return next(iter(sandbox.users.by_token))


async def status(sandbox: Sandbox, way: str, token: str, target: str = path("db-0")) -> tuple[int, str]:
    answer, _, writer = await asked(sandbox, way, target, token)
    writer.transport.abort()
    return answer.status, json.loads(answer.body)["message"] if answer.body.startswith(b"{") else ""


@pytest.mark.parametrize(("way", "verb"), [(SPDY, "create"), (TUNNEL, "get")])
async def test_each_way_needs_its_verb_on_the_subresource(sandbox: Sandbox, way: str, verb: str) -> None:
    missing = 'User "dev" cannot %s resource "pods/portforward" in API group "" in the namespace "demo"'
    other = {"create": "get", "get": "create"}[verb]
    who = token(sandbox, "get", "list", "watch", f"{other} pods/portforward")
    target = path("db-0")
    assert await status(sandbox, way, who, target) == (403, 'pods "db-0" is forbidden: ' + missing % verb)
    sandbox.users.by_token.clear()
    who = token(sandbox, f"{verb} pods/portforward")
    assert await status(sandbox, way, who, target) == (101, "")


async def test_a_user_who_may_only_look_and_forward_gets_a_tunnel_in_that_namespace_alone(
    sandbox: Sandbox,
) -> None:
    sandbox.add_user("dev", "demo")
    (who,) = sandbox.users.by_token
    async with tunnel(sandbox, "db-0", token=who) as client:
        one = client.open(5432)
        await client.until(lambda: client.data[one.data] != b"")
    code, message = await status(sandbox, SPDY, who, path("db-0").replace("demo", "default"))
    assert (code, 'cannot create resource "pods/portforward"' in message) == (403, True)


async def test_a_pod_that_is_not_there_is_404(sandbox: Sandbox) -> None:
    assert await status(sandbox, SPDY, "", path("db-7")) == (404, 'pods "db-7" not found')


async def test_a_pod_without_a_node_has_no_tunnel(sandbox: Sandbox) -> None:
    for node in sandbox.nodes:
        sandbox.change("nodes", "", node, lambda one: {**one, "spec": {"unschedulable": True}})
    sandbox.delete("pods", "demo", "db-0", grace=0)
    await sandbox.until(lambda: any(pod["metadata"]["name"] == "db-0" for pod in sandbox.list("pods")))
    assert await status(sandbox, SPDY, "") == (400, "pod db-0 does not have a host assigned")


async def test_a_request_without_an_upgrade_is_told_so(sandbox: Sandbox) -> None:
    for method in ("GET", "POST"):
        reply = await api(sandbox, path("db-0"), method=method)
        assert (reply.code, reply.json["message"]) == (400, "Upgrade request required")
    assert (await api(sandbox, path("db-0"), method="DELETE")).code == 405


async def test_protocols_that_nobody_knows_are_refused_and_the_connection_serves_on(sandbox: Sandbox) -> None:
    assert (await status(sandbox, "v4.channel.k8s.io", "", path("db-0")))[0] == 403
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    reply = await api(sandbox, path("db-0"), method="POST", headers=headers)
    assert reply.code == 400
    assert b"X-Stream-Protocol-Version" in reply.body
