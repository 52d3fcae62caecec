"""Reaching an API server: TLS, client certificates, proxies, path prefixes, logins; against real sockets."""

import asyncio
import base64
import socket
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kfw.errors import ClusterUnreachable, LoginError, NotPermitted, UsageError
from kfw.kube import tls
from kfw.kube.api_server import ApiServer
from kfw.kube.login import Login
from kfw.kube.timeouts import Timeouts
from kfw.kubeconfig.entries import Access, ClusterEntry, Pem, UserEntry
from tests.kube import certificates
from tests.kube.fake_api import serving
from tests.kube.proxies import connect, proxying, socks5
from tests.kube.wire import PODS, pod
from tests.stream_server import streams

ADA = UserEntry("ada", token="good")


def server(cluster: ClusterEntry, user: UserEntry = ADA, **timeout: float) -> ApiServer:
    access = Access("dev", cluster, user)
    return ApiServer(access, Login(access), Timeouts(**timeout), lambda: None)


async def read(cluster: ClusterEntry, user: UserEntry = ADA, path: str = PODS, **timeout: float) -> bytes:
    line = server(cluster, user, **timeout).session()
    try:
        return await line.read(path)
    finally:
        line.close()
        await asyncio.sleep(0)


def serves(*hosts: str, client_ca: bytes = b"") -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(made, certificates.pair("server", *hosts))
    if client_ca:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=client_ca.decode())
    return made


def load(made: ssl.SSLContext, pair: certificates.Pair) -> None:
    with tempfile.TemporaryDirectory() as folder:
        crt, key = Path(folder, "crt"), Path(folder, "key")
        crt.write_bytes(pair.certificate)
        key.write_bytes(pair.key)
        made.load_cert_chain(crt, key)


CA = Pem(data=certificates.ca())
CLIENT = certificates.pair("ada")


@pytest.mark.asyncio
async def test_a_server_is_trusted_by_the_clusters_ca() -> None:
    async with serving(serves("127.0.0.1")) as api:
        assert b"items" in await read(ClusterEntry("dev", api.url, ca=CA))


@pytest.mark.asyncio
async def test_a_server_of_another_ca_is_not_trusted_and_the_words_say_so() -> None:
    async with serving(serves("127.0.0.1")) as api:
        with pytest.raises(
            ClusterUnreachable, match=r"cannot trust the API server .*: unable to get local issuer"
        ):
            await read(ClusterEntry("dev", api.url))


@pytest.mark.asyncio
async def test_insecure_skip_tls_verify_trusts_everybody() -> None:
    async with serving(serves("elsewhere.example.com")) as api:
        assert await read(ClusterEntry("dev", api.url, insecure=True))


@pytest.mark.asyncio
async def test_tls_server_name_is_the_name_that_is_checked() -> None:
    async with serving(serves("kubernetes.default")) as api:
        assert await read(ClusterEntry("dev", api.url, ca=CA, tls_server_name="kubernetes.default"))
        with pytest.raises(ClusterUnreachable, match="IP address mismatch"):
            await read(ClusterEntry("dev", api.url, ca=CA))


@pytest.mark.asyncio
async def test_a_client_certificate_logs_in_and_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    user = UserEntry("ada", certificate=Pem(data=CLIENT.certificate), key=Pem(data=CLIENT.key))
    async with serving(serves("127.0.0.1", client_ca=certificates.ca())) as api:
        assert await read(ClusterEntry("dev", api.url, ca=CA), user)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240  # a look at an empty folder blocks nobody


@pytest.mark.asyncio
async def test_a_server_that_wants_a_certificate_and_gets_none_is_a_matter_of_login() -> None:
    """With TLS 1.3 the client learns it only when it reads. (asyncio's own server sends no alert, so this is a thread.)"""
    made = serves("127.0.0.1", client_ca=certificates.ca())
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        raw, _ = listener.accept()
        with raw, raw.dup() as kept:
            with suppress(ssl.SSLError):
                made.wrap_socket(raw, server_side=True)
            while kept.recv(65536):  # else the kernel resets the connection and the alert is lost
                pass

    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    refusal = asyncio.create_task(asyncio.to_thread(refuse))
    with (
        listener,
        pytest.raises(LoginError, match=r"refuses the TLS login of user ada: .*certificate required"),
    ):
        await read(ClusterEntry("dev", url, ca=CA))
    await refusal


@pytest.mark.asyncio
async def test_a_key_with_a_password_or_of_another_certificate_is_named_and_asks_nobody() -> None:
    other = certificates.pair("eve")
    user = UserEntry("ada", certificate=Pem(data=CLIENT.certificate), key=Pem(data=other.key))
    with pytest.raises(LoginError, match="cannot use the client certificate: key values mismatch"):
        await read(ClusterEntry("dev", "https://127.0.0.1:1", ca=CA), user)


@pytest.mark.asyncio
async def test_a_ca_file_that_is_missing_or_no_pem_is_named() -> None:
    with pytest.raises(
        ClusterUnreachable, match=r"certificate-authority of cluster dev: /none: No such file"
    ):
        await read(ClusterEntry("dev", "https://127.0.0.1:1", ca=Pem(file="/none")))
    with pytest.raises(ClusterUnreachable, match="certificate-authority of cluster dev"):
        await read(ClusterEntry("dev", "https://127.0.0.1:1", ca=Pem(data=b"no pem")))


@pytest.mark.asyncio
async def test_A40_a_path_prefix_in_the_servers_url_is_kept() -> None:
    async with serving(prefix="/k8s/clusters/c-1") as api:
        assert await read(ClusterEntry("dev", api.url))
        assert [request.path for request in api.requests] == [PODS]


@pytest.mark.asyncio
async def test_a_proxy_of_the_cluster_is_gone_through_also_with_tls() -> None:
    async with serving(serves("127.0.0.1")) as api, proxying(connect()) as proxy:
        cluster = ClusterEntry("dev", api.url, ca=CA, proxy_url=f"http://127.0.0.1:{proxy.port}")
        assert await read(cluster)
        assert proxy.asked == [("127.0.0.1", api.port)]


@pytest.mark.asyncio
async def test_a_proxys_password_is_sent_and_a_wrong_one_is_said() -> None:
    word = base64.b64encode(b"ada:secret").decode()
    async with serving() as api, proxying(connect(word)) as proxy:
        assert await read(ClusterEntry("dev", api.url, proxy_url=f"http://ada:secret@127.0.0.1:{proxy.port}"))
        with pytest.raises(ClusterUnreachable, match=r"the proxy http://127.0.0.1:\d+ answers HTTP/1.1 407"):
            await read(ClusterEntry("dev", api.url, proxy_url=f"http://ada:x@127.0.0.1:{proxy.port}"))


@pytest.mark.parametrize("login", ["", "ada:secret@"])
@pytest.mark.asyncio
async def test_a_socks_proxy_is_gone_through(login: str) -> None:
    handshake = socks5("ada", "secret") if login else socks5()
    async with serving(serves("127.0.0.1")) as api, proxying(handshake) as proxy:
        assert await read(
            ClusterEntry("dev", api.url, ca=CA, proxy_url=f"socks5://{login}127.0.0.1:{proxy.port}")
        )
        assert proxy.asked == [("127.0.0.1", api.port)]


@pytest.mark.asyncio
async def test_a_socks_proxy_that_refuses_says_why() -> None:
    async with proxying(socks5("ada", "secret")) as proxy:
        with pytest.raises(ClusterUnreachable, match="offers no login method that kfw knows"):
            await read(ClusterEntry("dev", "http://10.0.0.1", proxy_url=f"socks5://127.0.0.1:{proxy.port}"))
        with pytest.raises(ClusterUnreachable, match="refuses the user and password"):
            await read(
                ClusterEntry("dev", "http://10.0.0.1", proxy_url=f"socks5://ada:x@127.0.0.1:{proxy.port}")
            )


@pytest.mark.asyncio
async def test_a_proxy_in_the_environment_is_not_used_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving() as api:
        assert await read(ClusterEntry("dev", api.url))


@pytest.mark.asyncio
async def test_a_proxy_that_kfw_cannot_use_is_refused() -> None:
    with pytest.raises(UsageError, match="kfw knows http, https and socks5 proxies"):
        await read(ClusterEntry("dev", "https://10.0.0.1", proxy_url="ftp://gate"))


@pytest.mark.asyncio
async def test_impersonation_and_basic_auth_are_sent_as_headers() -> None:
    user = UserEntry("ada", username="ada", password="pw", impersonate=(("Impersonate-User", "bob"),))
    async with serving() as api:
        await read(ClusterEntry("dev", api.url), user)
        sent = api.requests[0].headers
    assert sent["authorization"] == "Basic " + base64.b64encode(b"ada:pw").decode()
    assert sent["impersonate-user"] == "bob"
    assert sent["host"] == f"127.0.0.1:{api.port}"


@pytest.mark.asyncio
async def test_a_connection_that_the_server_closed_meanwhile_is_dialled_anew() -> None:
    async with serving() as api:
        line = server(ClusterEntry("dev", api.url)).session()
        await line.read(PODS)
        api.drop()
        await asyncio.sleep(0)
        assert await line.read(PODS)
        line.close()
        assert api.connections == 2


@pytest.mark.asyncio
async def test_requests_share_a_connection() -> None:
    async with serving() as api:
        line = server(ClusterEntry("dev", api.url)).session()
        for _ in range(3):
            await line.read(PODS)
        line.close()
        assert api.connections == 1


@pytest.mark.asyncio
async def test_the_kernel_is_told_to_notice_a_dead_peer() -> None:
    async with serving() as api:
        one = await server(ClusterEntry("dev", api.url)).connect(None, 1)
        sock = one._writer.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if hasattr(socket, "TCP_KEEPIDLE"):
            idle, interval, count = (
                sock.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + interval * count < 5
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) < 5000
        one.close()


@pytest.mark.asyncio
async def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterUnreachable, match="it does not answer"):
            await read(ClusterEntry("dev", url, ca=CA), dial=0.1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "Connection refused"),
        ("http://no-such-host.invalid", "the host name cannot be looked up"),
    ],
)
@pytest.mark.asyncio
async def test_a_server_that_cannot_be_reached_says_why(url: str, words: str) -> None:
    with pytest.raises(ClusterUnreachable, match=f"cannot reach the API server {url}: {words}"):
        await read(ClusterEntry("dev", url))


@pytest.mark.asyncio
async def test_something_that_speaks_no_http_is_no_api_server() -> None:
    async def greet(_: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp ready\r\n")

    async with streams(greet) as other:
        with pytest.raises(ClusterUnreachable, match="cannot reach the API server"):
            await read(ClusterEntry("dev", f"http://127.0.0.1:{other.port}"))


@pytest.mark.asyncio
async def test_A11_a_namespace_that_may_not_be_read_is_not_called_missing() -> None:
    async with serving() as api:
        one = server(ClusterEntry("dev", api.url))
        assert await one.namespace_is_missing("missing")
        assert not await one.namespace_is_missing("shop")
        api.forbidden["/api/v1/namespaces/missing"] = "no"
        assert not await one.namespace_is_missing("missing")


@pytest.mark.asyncio
async def test_what_is_not_permitted_names_verb_resource_and_namespace() -> None:
    words = (
        'pods is forbidden: User "ada" cannot list resource "pods" in API group "" in the namespace "shop"'
    )
    async with serving() as api:
        api.forbidden[PODS] = words
        with pytest.raises(NotPermitted) as caught:
            await read(ClusterEntry("dev", api.url))
    assert caught.value.what == words
    assert "context dev" in caught.value.fix


@pytest.mark.asyncio
async def test_a_large_answer_over_tls_comes_whole() -> None:
    tls.share_buffers()
    async with serving(serves("127.0.0.1")) as api:
        big = pod("a")
        big["metadata"]["annotations"] = {"x": "y" * 3_000_000}
        await api.put(PODS, big)
        assert len(await read(ClusterEntry("dev", api.url, ca=CA))) > 3_000_000


@pytest.mark.parametrize("name", [".", "..", "%", "%x", ".%x"])
@pytest.mark.asyncio
async def test_a_name_of_nothing_is_not_a_reason_to_check_none(name: str) -> None:
    """asyncio checks no name at all if it is given an empty one."""
    async with serving(serves("other.example")) as api:
        with pytest.raises(ClusterUnreachable, match="it has no name to check its certificate for"):
            await read(ClusterEntry("dev", api.url, ca=CA, tls_server_name=name))
        assert not api.requests
