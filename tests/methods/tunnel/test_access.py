"""The whole tunnel through what stands between a laptop and its API server, and with logins that end."""

import pytest

from kfw.errors import NotPermitted
from kfw.kube import exec_plugin
from kfw.kube.api_server import ApiServer
from kfw.kube.login import Login
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.entries import Access, ClusterEntry, Exec, Pem, UserEntry
from kfw.wire import upgrade
from tests.kube import certificates
from tests.kube.proxies import connect, proxying
from tests.kube.test_api_server import serves
from tests.methods.tunnel.far import ECHO, REFUSES, far_side, status
from tests.methods.tunnel.test_transports import WAYS, only
from tests.methods.tunnel.ways import client, server, tunnel, until

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("way", WAYS)
async def test_through_a_proxy_to_an_api_server_behind_a_path_inside_tls(way: str) -> None:
    async with (
        far_side(serves("127.0.0.1"), prefix="/k8s/clusters/c-1", answers=only(way)) as far,
        proxying(connect()) as proxy,
    ):
        cluster = ClusterEntry(
            "dev",
            far.url,
            ca=Pem(data=certificates.ca()),
            proxy_url=f"http://127.0.0.1:{proxy.port}",
        )
        access = Access("dev", cluster, UserEntry("ada", token="good"))
        at = ApiServer(access, Login(access), Timeouts(dial=60.0, answer=60.0), lambda: None)
        async with tunnel(far, at=at) as opened:
            one = await client(opened, b"hello")
            await until(lambda: one.got == b"hello")
            assert one.transport.get_extra_info("endpoint") == "web-1"
        assert set(proxy.asked) == {("127.0.0.1", far.port)}
        assert far.asked[-1].way == way


async def test_a_token_that_has_run_out_is_renewed_once_for_all_links() -> None:
    logins: list[str] = []

    async def plugin(*_: object, **__: object) -> exec_plugin.PluginStatus:
        logins.append("new" if logins else "old")
        return exec_plugin.PluginStatus(token=logins[-1])

    async with far_side(tokens={"old"}) as far:
        at = server(
            far, UserEntry("ada", exec=Exec("client.authentication.k8s.io/v1", "login")), plugin=plugin
        )
        async with tunnel(far, at=at) as opened:
            first = await client(opened, b"1")
            await until(lambda: first.got == b"1")
            far.tokens = {"new"}
            some = [await client(opened, b"x") for _ in range(10)]
            await until(lambda: all(one.got == b"x" for one in some))
            await until(lambda: any(asked.token == "new" for asked in far.asked))
            assert logins == ["old", "new"]
            assert not first.lost
            assert at.problem is None


async def test_who_may_not_forward_is_told_which_verbs_it_needs() -> None:
    words = 'pods "web-1" is forbidden: User "ada" cannot create resource "pods/portforward"'
    forbidden = {way: status(403, "Forbidden", words) for way in (upgrade.SPDY, upgrade.TUNNEL)}
    async with far_side(answers=forbidden) as far:
        with pytest.raises(NotPermitted) as said:
            async with tunnel(far):
                pass
        assert said.value.what == words
        assert "the verbs get and create on pods/portforward" in said.value.fix


async def test_a_client_that_does_not_read_while_it_is_tried_elsewhere_gets_all_when_it_reads_again() -> None:
    async with far_side(hangs={"web-2"}) as far:
        far.apps["web-1"] = REFUSES
        async with tunnel(far, "web-1", "web-2") as way:
            one = await client(way, b"1 ")
            await until(lambda: far.visits and far.visits[0].ended)
            one.transport.pause_reading()
            one.say(b"2 ")
            far.hangs.clear()
            far.apps["web-1"] = ECHO
            await until(lambda: far.visits[-1].got == b"1 2 ")
            assert one.got == b""
            one.transport.resume_reading()
            await until(lambda: one.got == b"1 2 ")
