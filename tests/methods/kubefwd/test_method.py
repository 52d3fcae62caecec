"""The method with a stub for kubefwd: what is shared, where forwards are, what is told, what comes back, what is left."""

import asyncio
import logging
import os
import shutil
import signal
import time

import pytest

from kfw.errors import KfwError, ToolMissing
from kfw.methods.kubefwd.method import Kubefwd, KubefwdTunnel
from kfw.methods.kubefwd.root_access import ROOT_SIDE, RootAccess
from kfw.model import Endpoint, Kind, Reason, Target
from kfw.relay.suspicion import Hint
from kfw.system.process import Children
from tests.methods.kubefwd.conftest import OWN, KubefwdStub, Open, free_port, request
from tests.stubs import eventually


async def echoed(tunnel: KubefwdTunnel) -> bytes:
    place = tunnel.local
    assert place
    reader, writer = await asyncio.open_connection(place.address, place.port)
    writer.write(b"hello")
    try:
        return await reader.readexactly(5)
    finally:
        writer.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- where it is


@pytest.mark.asyncio
async def test_a_forward_carries_at_an_address_and_under_names_of_its_own(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    tunnel = await opened("api")
    assert await echoed(tunnel) == b"hello"
    place = tunnel.local
    assert place and place.names[:2] == ("api", "api.shop")
    assert f"{place.address} api\n" in kubefwd.hosts.read_text()
    assert tunnel.endpoint == Endpoint("pod", "api-1", "10.0.0.1", 8080)
    assert place.address in tunnel.how


@pytest.mark.asyncio
async def test_forwards_of_a_profile_that_come_up_together_share_one_kubefwd(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    second = free_port()
    kubefwd.plans(("shop", "api", kubefwd.port, "api-1", 8080), ("pay", "bank", second, "bank-1", 9000))
    api, bank = await asyncio.gather(
        opened("api"), opened("bank", namespace="pay", target_port=second, pod_port=9000)
    )
    assert len(kubefwd.calls) == 1
    assert api.pid == bank.pid
    assert api.local and bank.local and api.local.address != bank.local.address
    assert await echoed(api) == await echoed(bank) == b"hello"
    assert bank.local.names[0] == ("bank.pay" if kubefwd.calls[0].argv[2] == "shop" else "bank")


@pytest.mark.asyncio
async def test_FR_CORE_02_two_profiles_are_two_processes_with_their_own_lines(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    dev = await opened("api", profile="dev")
    test = await opened("api", profile="test", context="other")
    first, second = kubefwd.calls
    assert first.pid != second.pid and alive(first.pid) and alive(second.pid)
    assert first.argv != second.argv and "other" in second.argv
    assert dev.local and test.local and dev.local.address.split(".")[1] != test.local.address.split(".")[1]
    assert await echoed(dev) == await echoed(test) == b"hello"


@pytest.mark.asyncio
async def test_one_that_comes_later_starts_it_again_only_if_it_is_not_forwarded_yet(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    second = free_port()
    kubefwd.plans(("shop", "api", kubefwd.port, "api-1", 8080), ("shop", "db", second, "db-1", 5432))
    await opened("api")
    assert "metadata.name=api" in kubefwd.calls[0].argv
    assert await echoed(await opened("db", target_port=second, pod_port=5432)) == b"hello"
    assert len(kubefwd.calls) == 2
    await opened("api", profile="dev")
    assert len(kubefwd.calls) == 2


@pytest.mark.asyncio
async def test_a_port_that_is_wanted_by_name_is_the_one_that_kubefwd_tells(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    tunnel = await opened("api", target_port="http")
    assert tunnel.local and tunnel.local.port == kubefwd.port


@pytest.mark.asyncio
async def test_it_waits_for_what_it_was_told_of_before_it_listens(opened: Open, kubefwd: KubefwdStub) -> None:
    kubefwd.plans(slow=1.5)
    began = time.monotonic()
    assert await echoed(await opened("api")) == b"hello"
    assert time.monotonic() - began >= 1.5


@pytest.mark.asyncio
async def test_several_kubeconfigs_come_by_the_environment(opened: Open, kubefwd: KubefwdStub) -> None:
    await opened("api", kubeconfig=("/k/one", "/k/two"))
    assert kubefwd.calls[0].env["KUBECONFIG"] == "/k/one:/k/two"
    assert "-c" not in kubefwd.calls[0].argv


# -- root


@pytest.mark.asyncio
async def test_B32_a_kubefwd_that_is_not_root_is_tried_once_and_the_line_for_sudoers_is_offered(
    method: Kubefwd, kubefwd: KubefwdStub
) -> None:
    kubefwd.id_says(1000)
    asked = [method.open(request(name, kubefwd.port)) for name in ("api", "db", "web")]
    errors = await asyncio.gather(*asked, return_exceptions=True)
    for error in errors:
        assert isinstance(error, KfwError) and error.reason is Reason.NEEDS_ROOT
        assert "ALL=(root) NOPASSWD: /usr/local/libexec/kfw-kubefwd" in error.fix
    assert len(kubefwd.calls) == 1


def as_user(children: Children, kubefwd: KubefwdStub, sudo: str, *, copied: bool = True) -> Kubefwd:
    installed = kubefwd.home / "kfw-kubefwd"
    if copied:
        shutil.copy(ROOT_SIDE, installed)
        installed.chmod(0o755)
    kubefwd.program("sudo", sudo)
    return Kubefwd(children, RootAccess(uid=1000, installed=installed, hosts=str(kubefwd.hosts)))


@pytest.mark.asyncio
async def test_B33_a_sudo_that_wants_a_password_is_an_error_at_once(
    children: Children, kubefwd: KubefwdStub
) -> None:
    sudo = '[ "$1" = -n ] || sleep 60\necho "sudo: a password is required" >&2\nexit 1'
    method = as_user(children, kubefwd, sudo)
    began = time.monotonic()
    with pytest.raises(KfwError, match="a password is required") as raised:
        await method.open(request("api", kubefwd.port))
    assert raised.value.reason is Reason.NEEDS_ROOT
    assert time.monotonic() - began < 10  # 2 s on a machine that is not busy
    assert kubefwd.calls == []


@pytest.mark.asyncio
async def test_NFR_SEC_01_only_the_root_side_is_run_by_sudo(children: Children, kubefwd: KubefwdStub) -> None:
    method = as_user(
        children, kubefwd, f'printf "%s\\n" "$*" >>{kubefwd.home}/sudo.calls\nshift 2\nexec "$@"'
    )
    tunnel = await method.open(request("api", kubefwd.port))
    try:
        assert await echoed(tunnel) == b"hello"
    finally:
        await tunnel.close()
    said = (kubefwd.home / "sudo.calls").read_text()
    assert said == f"-n -- {kubefwd.home}/kfw-kubefwd dev\n"


@pytest.mark.asyncio
async def test_without_the_copy_of_the_root_side_sudo_is_not_run(
    children: Children, kubefwd: KubefwdStub
) -> None:
    method = as_user(children, kubefwd, f"touch {kubefwd.home}/sudo.calls", copied=False)
    with pytest.raises(KfwError, match="is missing or belongs to another kfw") as raised:
        await method.open(request("api", kubefwd.port))
    assert raised.value.reason is Reason.NEEDS_ROOT and "sudo install" in raised.value.fix
    assert not (kubefwd.home / "sudo.calls").exists()


# -- what goes wrong


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("version", "said"), [("1.21.9", "1.21.9 is too old"), ("devel", "names no version")]
)
async def test_a_kubefwd_that_is_too_old_or_says_nothing_is_refused(
    method: Kubefwd, kubefwd: KubefwdStub, version: str, said: str
) -> None:
    kubefwd.plans(version=version)
    with pytest.raises(ToolMissing, match=said):
        await method.open(request("api", kubefwd.port))
    assert kubefwd.calls == []


@pytest.mark.asyncio
async def test_only_services_are_forwarded(method: Kubefwd, kubefwd: KubefwdStub) -> None:
    with pytest.raises(KfwError, match="forwards services, not pod/api"):
        await method.open(request("api", kubefwd.port, target=Target(Kind.POD, "api")))


@pytest.mark.asyncio
async def test_an_error_of_the_start_is_in_kubefwds_words(method: Kubefwd, kubefwd: KubefwdStub) -> None:
    kubefwd.plans(exit=1)
    with pytest.raises(KfwError, match="Error connecting to k8s cluster: connection refused") as raised:
        await method.open(request("api", kubefwd.port))
    assert raised.value.reason is Reason.CLUSTER_UNREACHABLE


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [0, 1])
async def test_FR_CORE_03_an_end_is_told_whatever_its_code(
    opened: Open, kubefwd: KubefwdStub, code: int
) -> None:
    kubefwd.plans(exit=code, after=2.0)
    tunnel = await opened("api")
    async with asyncio.timeout(20):
        problem = await tunnel.broken()
    assert problem.reason is Reason.CHILD_EXITED and f"code {code}" in problem.message


@pytest.mark.asyncio
async def test_FR_CORE_03_a_killed_kubefwd_is_told_and_started_again_for_all_of_its_forwards(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    kubefwd.plans(("shop", "api", kubefwd.port, "api-1", 8080), ("shop", "db", kubefwd.port, "db-1", 5432))
    api, db = await asyncio.gather(opened("api"), opened("db", pod_port=5432))
    os.kill(kubefwd.calls[0].pid, signal.SIGKILL)
    for tunnel in (api, db):
        async with asyncio.timeout(10):
            assert "killed by signal 9" in (await tunnel.broken()).message
    again = await asyncio.gather(opened("api"), opened("db", pod_port=5432))
    assert [call.pid for call in kubefwd.calls][1:] != [kubefwd.calls[0].pid] and len(kubefwd.calls) == 2
    assert [await echoed(one) for one in again] == [b"hello", b"hello"]
    assert again[0].local == api.local  # the same address as before


@pytest.mark.asyncio
async def test_FR_CONN_01_a_forward_that_nobody_listens_for_is_looked_at_within_five_seconds(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    tunnel = await opened("api")
    kubefwd.kill_forward("api")
    async with asyncio.timeout(5):
        assert await tunnel.suspected() is Hint.ALL
    with pytest.raises(KfwError, match="refused"):
        await tunnel.probe()


@pytest.mark.asyncio
async def test_a_line_that_tells_of_a_loss_is_a_hint(opened: Open, kubefwd: KubefwdStub) -> None:
    tunnel = await opened("api")
    hint = asyncio.ensure_future(tunnel.suspected())
    kubefwd.says("Lost connection to shop-api-1")
    async with asyncio.timeout(5):
        assert await hint is Hint.ALL


@pytest.mark.asyncio
async def test_B35_a_dead_forward_of_a_living_kubefwd_carries_again_after_a_restart_and_only_one(
    children: Children, kubefwd: KubefwdStub
) -> None:
    """The limit of 14 s is shorter here, as nothing but its length is different."""
    method = Kubefwd(children, RootAccess(uid=0, hosts=str(kubefwd.hosts)), stuck_after=8.0)
    tunnel = await method.open(request("api", kubefwd.port))
    kubefwd.kill_forward("api")
    await eventually(lambda: not list(kubefwd.home.glob("dead-*")))
    with pytest.raises(KfwError):
        await tunnel.probe()
    again = await method.open(request("api", kubefwd.port))
    try:
        assert await echoed(again) == b"hello"
        assert len(kubefwd.calls) == 2
    finally:
        await tunnel.close()
        await again.close()


@pytest.mark.asyncio
async def test_B36_the_key_of_its_API_is_in_no_log(
    opened: Open, kubefwd: KubefwdStub, caplog: pytest.LogCaptureFixture
) -> None:
    kubefwd.plans(say=["API key: s3cr3tkey99"])
    with caplog.at_level(logging.DEBUG):
        await opened("api")
    assert "API key: ***" in caplog.text and "s3cr3tkey99" not in caplog.text


# -- its end


@pytest.mark.asyncio
async def test_FR_CORE_04_with_the_last_forward_kubefwd_ends_and_no_name_is_left(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    kubefwd.plans(("shop", "api", kubefwd.port, "api-1", 8080), ("shop", "db", kubefwd.port, "db-1", 5432))
    api, db = await asyncio.gather(opened("api"), opened("db", pod_port=5432))
    await api.close()
    assert alive(kubefwd.calls[0].pid) and await echoed(db) == b"hello"
    await db.close()
    assert not alive(kubefwd.calls[0].pid)
    assert kubefwd.hosts.read_text() == f"127.0.0.1 localhost\n{OWN}"
    assert list(kubefwd.home.glob("kfw/state/kubefwd/*.yaml"))
    assert not list(kubefwd.home.glob("kfw/state/kubefwd/*.json"))


@pytest.mark.asyncio
async def test_names_that_a_killed_root_side_has_left_go_when_kubefwd_is_started_again(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    second = free_port()
    services = ("shop", "api", kubefwd.port, "api-1", 8080), ("shop", "db", second, "db-1", 5432)
    kubefwd.plans(
        *services, deaf=True
    )  # the kernel's TERM, when the root side is gone, would have it clean up
    api, db = await asyncio.gather(opened("api"), opened("db", target_port=second, pod_port=5432))
    written = kubefwd.home.glob
    await eventually(lambda: any("db.shop" in one.read_text() for one in written("kfw/state/kubefwd/*.json")))
    for pid in (api.pid or 0, kubefwd.calls[0].pid):
        os.kill(pid, signal.SIGKILL)
    await db.broken()
    await db.close()
    assert " db.shop\n" in kubefwd.hosts.read_text()

    kubefwd.plans()
    again = await opened("api")
    assert "db" not in kubefwd.hosts.read_text()
    assert again.local and kubefwd.hosts.read_text().count(f"{again.local.address} api\n") == 1


@pytest.mark.asyncio
async def test_who_opens_again_in_the_moment_of_the_last_end_finds_it_running(
    opened: Open, kubefwd: KubefwdStub
) -> None:
    first = await opened("api")
    _, second = await asyncio.gather(first.close(), opened("api"))
    assert len(kubefwd.calls) == 1
    assert await echoed(second) == b"hello"
