"""How a connection to an API server becomes a tunnel: transports, logins, proxies, prefixes, and whose fault it is."""

import asyncio

import pytest

from kfw.errors import ClusterUnreachable, KfwError, LoginError, NotPermitted
from kfw.kube import exec_plugin, pod_upgrade
from kfw.kube.api_server import ApiServer
from kfw.kube.login import Login
from kfw.kube.pod_upgrade import SPDY, WEBSOCKET, PodGone, Upgraded, open_portforward
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.entries import Access, ClusterEntry, Exec, Pem, UserEntry
from kfw.wire.upgrade import SPDY as RAW
from kfw.wire.upgrade import TUNNEL, UpgradeRefused
from tests.kube import certificates
from tests.kube.proxies import connect, proxying
from tests.kube.test_api_server import serves
from tests.methods.tunnel.far import Far, Refusal, far_side, status
from tests.stopwatch import Stopwatch
from tests.stream_server import streams

pytestmark = pytest.mark.asyncio


def server(far: Far, user: UserEntry | None = None, login: Login | None = None, **more: object) -> ApiServer:
    access = Access("dev", ClusterEntry("dev", far.url, **more), user or UserEntry("ada", token="good"))  # type: ignore[arg-type]
    return ApiServer(access, login or Login(access), Timeouts(dial=2.0, answer=2.0), lambda: None)


async def made(at: ApiServer, pod: str = "web-1") -> Upgraded:
    one = await open_portforward(at, "shop", pod)
    one.streams[1].transport.abort()
    await asyncio.sleep(0)
    return one


async def test_raw_spdy_is_taken_first() -> None:
    async with far_side() as far:
        assert (await made(server(far))).transport is SPDY
        assert [one.way for one in far.asked] == [RAW]
        assert far.asked[0].target == "/api/v1/namespaces/shop/pods/web-1/portforward"


@pytest.mark.parametrize("code", [400, 403, 404, 405, 426, 501, 502])
async def test_a_server_or_proxy_that_does_not_know_spdy_gets_it_in_websocket(code: int) -> None:
    async with far_side(answers={RAW: Refusal(code, b"<html>what?</html>")}) as far:
        assert (await made(server(far))).transport is WEBSOCKET
        assert [one.way for one in far.asked] == [RAW, TUNNEL]


async def test_what_a_server_took_is_asked_for_first_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far_side(answers={RAW: Refusal(400)}) as far:
        at = server(far)
        await made(at)
        await made(at)
        assert [one.way for one in far.asked] == [RAW, TUNNEL, TUNNEL]
        await made(server(far))
        assert far.asked[-2].way == RAW


async def test_after_a_while_a_better_transport_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_upgrade, "REMEMBERED", 0.05)
    async with far_side(answers={RAW: Refusal(400)}) as far:
        at = server(far)
        await made(at)
        far.answers.clear()
        await asyncio.sleep(0.06)
        assert (await made(at)).transport is SPDY


async def test_a_server_that_takes_none_is_quoted() -> None:
    async with far_side(answers=dict.fromkeys((RAW, TUNNEL), Refusal(400, b"no such thing"))) as far:
        with pytest.raises(UpgradeRefused, match=r"does not forward ports: .* 400 No: no such thing") as said:
            await made(server(far))
        assert "kubectl" in said.value.fix


async def test_a_server_that_answers_nonsense_is_not_reachable() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    async with streams(nonsense) as listening:
        far = Far(port=listening.port)
        with pytest.raises(ClusterUnreachable, match="not HTTP"):
            await made(server(far))


# -- whose fault


async def test_a_user_who_may_not_forward_is_told_both_verbs() -> None:
    words = 'pods "web-1" is forbidden: User "ada" cannot create resource "pods/portforward" in API group ""'
    forbidden = status(403, "Forbidden", words)
    async with far_side(answers=dict.fromkeys((RAW, TUNNEL), forbidden)) as far:
        with pytest.raises(NotPermitted) as said:
            await made(server(far))
        assert said.value.what == words
        assert "the verbs get and create on pods/portforward" in said.value.fix
        assert [one.way for one in far.asked] == [RAW, TUNNEL]


async def test_a_user_who_may_get_but_not_create_goes_in_websocket() -> None:
    async with far_side(answers={RAW: status(403, "Forbidden", "ada cannot create")}) as far:
        assert (await made(server(far))).transport is WEBSOCKET


async def test_a_server_that_has_just_started_and_knows_no_roles_yet_gets_raw_spdy_soon_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pod_upgrade, "KNOWS_NO_ROLES", 0.05)
    async with far_side(answers={RAW: status(403, "Forbidden", "ada cannot create")}) as far:
        at = server(far)
        await made(at)
        far.answers.clear()
        await asyncio.sleep(0.06)
        assert (await made(at)).transport is SPDY


async def test_what_a_server_that_has_just_started_forbids_is_not_believed() -> None:
    forbidden = status(403, "Forbidden", "ada cannot create")
    async with far_side(answers=dict.fromkeys((RAW, TUNNEL), forbidden)) as far:
        at = server(far)
        at.monitor.back_at = asyncio.get_running_loop().time()
        with pytest.raises(ClusterUnreachable, match="has just started: ada cannot create"):
            await made(at)
        at.monitor.back_at -= 11
        with pytest.raises(NotPermitted):
            await made(at)


async def test_a_login_that_is_refused_is_renewed_once_and_other_tunnels_live_on() -> None:
    tokens = iter(["old", "new", "newer"])

    async def plugin(*_: object, **__: object) -> exec_plugin.PluginStatus:
        return exec_plugin.PluginStatus(token=next(tokens))

    user = UserEntry("ada", exec=Exec("client.authentication.k8s.io/v1", "login"))
    async with far_side(tokens={"old"}) as far:
        access = Access("dev", ClusterEntry("dev", far.url), user)
        at = server(far, user, Login(access, plugin=plugin))
        first = await open_portforward(at, "shop", "web-1")
        far.tokens = {"new"}
        await made(at)
        assert [one.token for one in far.asked] == ["old", "old", "new"]
        assert not first.streams[1].transport.is_closing()
        assert at.problem is None
        first.streams[1].transport.abort()


async def test_a_login_that_is_refused_for_good_is_the_servers_problem_until_one_is_admitted() -> None:
    async with far_side(tokens=set()) as far:
        at = server(far)
        with pytest.raises(LoginError, match="refuses the login of user ada"):
            await made(at)
        assert at.problem is not None
        assert at.problem.reason == "login-expired"
        far.tokens = None
        await made(at)
        assert at.problem is None


@pytest.mark.parametrize(
    ("answer", "admits"),
    [
        (status(403, "Forbidden", 'pods "web-1" is forbidden'), True),
        (status(404, "NotFound", 'pods "web-1" not found'), True),
        (Refusal(404, b"error upgrading connection: pod does not exist"), True),
        (Refusal(403, b"<html>denied by the proxy</html>"), False),
        (Refusal(502, b"<html>bad gateway</html>"), False),
        (status(502, "", "error dialing backend"), False),
    ],
)
async def test_who_is_told_no_by_the_api_server_is_logged_in(answer: Refusal, admits: bool) -> None:
    async with far_side(tokens=set()) as far:
        at = server(far)
        with pytest.raises(LoginError):
            await made(at)
        far.tokens = None
        far.answers = dict.fromkeys(("web-1", RAW, TUNNEL), answer)
        with pytest.raises(KfwError):
            await made(at)
        assert (at.problem is None) is admits


@pytest.mark.parametrize(
    "answer",
    [
        status(404, "NotFound", 'pods "web-1" not found'),
        Refusal(404, b"error upgrading connection: pod does not exist"),
    ],
)
async def test_a_pod_that_is_gone_is_said_at_once(answer: Refusal) -> None:
    async with far_side(answers={"web-1": answer}) as far:
        with pytest.raises(PodGone):
            await made(server(far))
        assert len(far.asked) == 1


async def test_a_node_that_the_api_server_cannot_reach_is_in_its_own_words() -> None:
    words = "error dialing backend: dial tcp 172.18.0.5:10250: connect: connection refused"
    async with far_side(answers={"web-1": status(502, "", words)}) as far:
        with pytest.raises(KfwError, match="dialing backend") as said:
            await made(server(far))
        assert said.value.reason == "cluster-unreachable"
        assert len(far.asked) == 1


async def test_an_upgrade_that_gets_no_answer_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_upgrade, "ANSWER", 0.1)
    async with far_side(hangs={"web-1"}) as far:
        watch = Stopwatch()
        with pytest.raises(ClusterUnreachable, match="cannot reach the API server"):
            await made(server(far))
        assert watch.seconds() < 1


async def test_a_server_that_is_not_there_is_not_reachable() -> None:
    async with far_side() as far:
        pass
    with pytest.raises(ClusterUnreachable, match="Connection refused"):
        await made(server(far))


# -- on the way


async def test_through_tls_with_the_clusters_ca() -> None:
    async with far_side(serves("127.0.0.1")) as far:
        one = await made(server(far, ca=Pem(data=certificates.ca())))
        assert one.transport is SPDY


async def test_a_path_prefix_is_kept() -> None:
    async with far_side(prefix="/k8s/clusters/c-1") as far:
        await made(server(far))
        assert far.asked[0].pod == "web-1"


@pytest.mark.parametrize("secure", [False, True])
async def test_through_a_proxy_of_the_cluster(secure: bool) -> None:
    async with far_side(serves("127.0.0.1") if secure else None) as far, proxying(connect()) as proxy:
        more: dict[str, object] = {"proxy_url": f"http://127.0.0.1:{proxy.port}"}
        if secure:
            more["ca"] = Pem(data=certificates.ca())
        one = await open_portforward(server(far, **more), "shop", "web-1")
        assert proxy.asked == [("127.0.0.1", far.port)]
        one.streams[1].transport.abort()
        await asyncio.sleep(0.01)
