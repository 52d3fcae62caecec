import json

import pytest

from kfw.sandbox.sandbox import Sandbox
from tests.sandbox.talk import Reply, api, connect_api

pytestmark = pytest.mark.asyncio

PODS = "/api/v1/namespaces/demo/pods"
MERGE = {"Content-Type": "application/merge-patch+json"}


def said(reply: Reply) -> tuple[int, str, str]:
    assert reply.json["kind"] == "Status"
    assert reply.json["code"] == reply.code
    return reply.code, reply.json["reason"], reply.json["message"]


async def test_an_unknown_object_is_not_found_in_the_servers_words(sandbox: Sandbox) -> None:
    reply = await api(sandbox, "/api/v1/namespaces/demo/services/x")
    assert said(reply) == (404, "NotFound", 'services "x" not found')


@pytest.mark.parametrize(
    "path", ["/nope", "/apis/nope/v1", "/api/v1/nopes", "/api/v1/pods/x", f"{PODS}/x/nope"]
)
async def test_an_unknown_path_is_not_found(sandbox: Sandbox, path: str) -> None:
    code, reason, message = said(await api(sandbox, path))
    assert (code, reason) == (404, "NotFound")
    assert message == "the server could not find the requested resource"


async def test_without_a_login_nothing_is_said(sandbox: Sandbox) -> None:
    assert said(await api(sandbox, PODS, certificate=False)) == (401, "Unauthorized", "Unauthorized")
    wrong = {"Authorization": "Bearer nonsense"}
    assert (await api(sandbox, PODS, headers=wrong)).code == 401


async def test_a_user_of_one_namespace_sees_that_and_nothing_else(sandbox: Sandbox) -> None:
    sandbox.add_user("dev", "demo")
    (token,) = sandbox.users.by_token
    login = {"Authorization": f"Bearer {token}"}
    assert (await api(sandbox, PODS, headers=login, certificate=False)).code == 200
    refused = await api(sandbox, "/api/v1/nodes", headers=login, certificate=False)
    assert said(refused) == (
        403,
        "Forbidden",
        'nodes is forbidden: User "dev" cannot list resource "nodes" in API group "" at the cluster scope',
    )
    for method, path in (
        ("GET", "/api/v1/pods"),
        ("DELETE", f"{PODS}/db-0"),
        ("GET", "/api/v1/namespaces/default/pods"),
    ):
        assert (await api(sandbox, path, method=method, headers=login, certificate=False)).code == 403


async def test_a_watch_may_be_forbidden_where_a_list_is_allowed_elsewhere(sandbox: Sandbox) -> None:
    sandbox.add_user("dev", "demo")
    (token,) = sandbox.users.by_token
    path = "/api/v1/namespaces/other/pods?watch=true"
    assert (await api(sandbox, path, headers={"Authorization": f"Bearer {token}"})).code == 403


async def test_methods_media_types_and_shapes_that_are_not_served_are_named(sandbox: Sandbox) -> None:
    assert said(await api(sandbox, PODS, method="PUT"))[:2] == (405, "MethodNotAllowed")
    plain = {"Content-Type": "text/plain"}
    assert said(await api(sandbox, f"{PODS}/db-0", method="PATCH", headers=plain))[:2] == (
        415,
        "UnsupportedMediaType",
    )
    applied = {"Content-Type": "application/apply-patch+yaml"}
    code, reason, message = said(await api(sandbox, f"{PODS}/db-0", method="PATCH", headers=applied))
    assert (code, reason) == (415, "UnsupportedMediaType")
    assert message.endswith("application/merge-patch+json, application/strategic-merge-patch+json")
    assert said(await api(sandbox, PODS, headers={"Accept": "text/html"}))[:2] == (406, "NotAcceptable")
    assert said(await api(sandbox, PODS, method="POST", body=b"{"))[:2] == (400, "BadRequest")
    assert said(await api(sandbox, PODS, method="POST", body=b"[1]"))[:2] == (400, "BadRequest")


async def test_exec_and_attach_are_not_there(sandbox: Sandbox) -> None:
    code, reason, message = said(await api(sandbox, f"{PODS}/db-0/exec", method="POST"))
    assert (code, reason) == (501, "NotImplemented")
    assert message == "the sandbox does not serve pods/exec"


async def test_lists_come_in_pages_until_the_past_is_forgotten(sandbox: Sandbox) -> None:
    names: list[str] = []
    token = ""
    while True:
        page = (await api(sandbox, f"{PODS}?limit=2&continue={token}")).json
        assert len(page["items"]) <= 2
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
        assert page["metadata"]["remainingItemCount"] == 3 - len(names)
    assert len(names) == 3
    assert names == sorted(names)
    first = (await api(sandbox, f"{PODS}?limit=1")).json["metadata"]["continue"]
    sandbox.annotate("pods", "demo", "db-0", x="y")
    sandbox.store.compact()
    assert said(await api(sandbox, f"{PODS}?limit=1&continue={first}"))[:2] == (410, "Expired")
    assert (await api(sandbox, f"{PODS}?continue=nonsense")).code == 400


async def test_a_list_has_a_version_from_which_a_watch_goes_on(sandbox: Sandbox) -> None:
    version = (await api(sandbox, f"{PODS}?labelSelector=app%3Ddb")).json["metadata"]["resourceVersion"]
    sandbox.annotate("pods", "demo", "db-0", x="y")
    path = f"{PODS}?watch=1&timeoutSeconds=0&labelSelector=app%3Ddb&resourceVersion={version}"
    reader, writer = await connect_api(sandbox)
    writer.write(f"GET {path.replace('Seconds=0', 'Seconds=30')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"200" in head
    assert b"chunked" in head
    await reader.readline()  # the chunk's length
    frame = json.loads(await reader.readline())
    assert (frame["type"], frame["object"]["metadata"]["annotations"]) == (
        "MODIFIED",
        {"sandbox.kfw.dev/x": "y"},
    )
    writer.close()


async def test_a_write_with_an_old_version_is_a_conflict(sandbox: Sandbox) -> None:
    path = "/api/v1/namespaces/demo/services/web"
    old = (await api(sandbox, path)).json
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert (
        await api(sandbox, path, method="PATCH", headers=MERGE, body=json.dumps(labels).encode())
    ).code == 200
    code, reason, message = said(await api(sandbox, path, method="PUT", body=json.dumps(old).encode()))
    assert (code, reason) == (409, "Conflict")
    assert message.startswith('Operation cannot be fulfilled on services "web": the object has been modified')


async def test_the_status_and_the_rest_are_written_apart(sandbox: Sandbox) -> None:
    path = "/apis/apps/v1/namespaces/demo/deployments/web"
    both = json.dumps({"metadata": {"labels": {"a": "b"}}, "status": {"collisionCount": 7}}).encode()
    assert (
        "collisionCount"
        not in (await api(sandbox, path, method="PATCH", headers=MERGE, body=both)).json["status"]
    )
    both = json.dumps({"spec": {"replicas": 9}, "status": {"collisionCount": 7}}).encode()
    told = (await api(sandbox, f"{path}/status", method="PATCH", headers=MERGE, body=both)).json
    assert (told["spec"]["replicas"], told["status"]["collisionCount"]) == (2, 7)


async def test_what_the_real_server_refuses_is_refused(sandbox: Sandbox) -> None:
    path = "/api/v1/namespaces/demo/services"

    async def refused(**spec: object) -> str:
        thing = {"metadata": {"name": "bad"}, "spec": spec}
        reply = await api(sandbox, path, method="POST", body=json.dumps(thing).encode())
        code, reason, message = said(reply)
        assert (code, reason) == (422, "Invalid")
        return message

    assert "provided port is not in the valid range" in await refused(
        type="NodePort", ports=[{"port": 1, "nodePort": 80}]
    )
    taken = sandbox.node_port("demo", "web")
    assert "already allocated" in await refused(type="NodePort", ports=[{"port": 1, "nodePort": taken}])
    assert "spec.ports[0].name: Required value" in await refused(ports=[{"port": 1}, {"port": 2}])
    assert "must be between 1 and 65535" in await refused(ports=[{"port": 0}])
    assert 'Service "bad" is invalid: spec.ports: Required value' in await refused(ports=[])


async def test_names_and_selectors_are_checked(sandbox: Sandbox) -> None:
    path = "/apis/apps/v1/namespaces/demo/deployments"
    template = {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "a", "image": "kfw/http"}]},
    }
    thing = {
        "metadata": {"name": "Bad_Name"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template},
    }
    assert (
        "lowercase RFC 1123"
        in (await api(sandbox, path, method="POST", body=json.dumps(thing).encode())).json["message"]
    )
    other = {
        "metadata": {"name": "good"},
        "spec": {"selector": {"matchLabels": {"app": "b"}}, "template": template},
    }
    told = (await api(sandbox, path, method="POST", body=json.dumps(other).encode())).json
    assert "`selector` does not match template `labels`" in told["message"]


async def test_dry_runs_change_nothing(sandbox: Sandbox) -> None:
    thing = {"metadata": {"name": "dry"}, "data": {"a": "b"}}
    path = "/api/v1/namespaces/demo/configmaps?dryRun=All"
    assert (await api(sandbox, path, method="POST", body=json.dumps(thing).encode())).code == 201
    assert (await api(sandbox, f"{PODS}/db-0?dryRun=All", method="DELETE")).code == 200
    assert sandbox.list("configmaps") == []
    assert "deletionTimestamp" not in sandbox.get("pods", "demo", "db-0")["metadata"]


async def test_discovery_names_what_is_served_in_both_forms(sandbox: Sandbox) -> None:
    plain = (await api(sandbox, "/apis/apps/v1")).json["resources"]
    assert {"deployments", "deployments/scale", "statefulsets"} <= {one["name"] for one in plain}
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    groups = (await api(sandbox, "/apis", headers=accept)).json["items"]
    assert "apps" in {one["metadata"]["name"] for one in groups}
    assert (await api(sandbox, "/readyz")).body == b"ok"


async def test_the_api_can_go_and_come_back_while_pods_serve(sandbox: Sandbox) -> None:
    await sandbox.stop_api()
    with pytest.raises(ConnectionRefusedError):
        await api(sandbox, PODS)
    assert len(sandbox.pods("demo", "web")) == 2
    await sandbox.start_api()
    assert (await api(sandbox, PODS)).code == 200
