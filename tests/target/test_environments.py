"""Forwards of one kubeconfig entry in the environments of several shells: who shares a server and a login, and who not."""

import asyncio
import json
import os
import stat
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kfw.environ import Environs
from kfw.model import Reason
from kfw.names import RowId
from kfw.target.registry import ClusterRegistry
from tests.kube.fake_api import FakeApi
from tests.kube.proxies import connect, proxying
from tests.target.following import following
from tests.target.test_registry import TIMEOUTS, forward, kubeconfig, running, shop

pytestmark = pytest.mark.asyncio

SCRIPT = """#!/bin/sh
echo "${AWS_PROFILE:-none}" >>"$0.calls"
[ -n "$AWS_PROFILE" ] || { echo "no credentials" >&2; exit 1; }
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$AWS_PROFILE"
"""


class Shells:
    """`sent(["a"], AWS_PROFILE="dev")`: what `up` does with a caller's environment."""

    def __init__(self, folder: Path) -> None:
        self.environs = Environs({"PATH": os.environ["PATH"]})
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.script = self.bin / "fake-login"
        self.script.write_text(SCRIPT)
        self.script.chmod(self.script.stat().st_mode | stat.S_IXUSR)

    def sent(self, names: list[str], path: str = "", **variables: str) -> None:
        made = self.environs.made_of({"PATH": f"{path}{os.environ['PATH']}", **variables})
        self.environs.put([RowId("", name) for name in names], made)

    def calls(self) -> list[str]:
        file = Path(f"{self.script}.calls")
        return file.read_text().split() if file.exists() else []

    def user(self, command: str = "") -> dict[str, dict[str, str]]:
        api = "client.authentication.k8s.io/v1"
        return {
            "exec": {"apiVersion": api, "command": command or str(self.script), "interactiveMode": "Never"}
        }


@pytest.fixture
def shells(tmp_path: Path) -> Shells:
    return Shells(tmp_path)


@asynccontextmanager
async def cluster(shells: Shells) -> AsyncIterator[tuple[FakeApi, ClusterRegistry]]:
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS, environs=shells.environs) as clusters:
        yield api, clusters


async def test_two_environments_log_in_twice_and_one_only_once(shells: Shells, tmp_path: Path) -> None:
    async with cluster(shells) as (api, clusters):
        file = kubeconfig(tmp_path / "k", api, **shells.user())
        shells.sent(["a", "b"], AWS_PROFILE="dev")
        shells.sent(["c"], AWS_PROFILE="prod")
        wanted = [forward(file, name=name) for name in "abc"]
        async with following(clusters, *wanted) as all_seen:
            for seen in all_seen:
                await seen.until_pods("web-1")
            assert {request.token for request in api.requests if request.token} == {"dev", "prod"}
            servers = [clusters.server(one) for one in wanted]
            assert servers[0] is servers[1]
            assert servers[0] is not servers[2]
    assert sorted(shells.calls()) == ["dev", "prod"]


async def test_with_a_token_two_environments_share_all(shells: Shells, tmp_path: Path) -> None:
    async with cluster(shells) as (api, clusters):
        file = kubeconfig(tmp_path / "k", api)
        shells.sent(["a"], AWS_PROFILE="dev")
        shells.sent(["b"], AWS_PROFILE="prod")
        wanted = [forward(file, name=name) for name in "ab"]
        async with following(clusters, *wanted) as all_seen:
            for seen in all_seen:
                await seen.until_pods("web-1")
            assert clusters.server(wanted[0]) is clusters.server(wanted[1])
            assert sum(name.startswith("api ") for name in running()) == 1  # api-probe is a look of its own


async def test_who_cannot_log_in_can_when_the_environment_comes(shells: Shells, tmp_path: Path) -> None:
    async with cluster(shells) as (api, clusters):
        one = forward(kubeconfig(tmp_path / "k", api, **shells.user()))
        shells.sent([one.name])
        async with following(clusters, one) as [seen]:
            assert "no credentials" in await seen.until_problem(Reason.LOGIN_EXPIRED)
            shells.sent([one.name], AWS_PROFILE="dev")
            clusters.look_again(one)
            await seen.until_pods("web-1")
    assert shells.calls() == ["none", "dev"]


async def test_another_environment_asks_again_and_what_was_known_stays(
    shells: Shells, tmp_path: Path
) -> None:
    async with cluster(shells) as (api, clusters):
        one = forward(kubeconfig(tmp_path / "k", api, **shells.user()))
        shells.sent([one.name], AWS_PROFILE="dev")
        async with following(clusters, one) as [seen]:
            await seen.until_pods("web-1")
            shells.sent([one.name])  # a worse one: nothing is lost that was there
            clusters.look_again(one)
            await seen.until_problem(Reason.LOGIN_EXPIRED)
            assert [pod.name for pod in seen.last.pods] == ["web-1"]
            shells.sent([one.name], AWS_PROFILE="dev")
            clusters.look_again(one)
            await seen.until_pods("web-1")
    assert shells.calls() == ["dev", "none"]  # the first login still held


async def test_the_same_environment_again_asks_nobody_anything(shells: Shells, tmp_path: Path) -> None:
    async with cluster(shells) as (api, clusters):
        one = forward(kubeconfig(tmp_path / "k", api, **shells.user()))
        shells.sent([one.name], AWS_PROFILE="dev")
        async with following(clusters, one) as [seen]:
            await seen.until_pods("web-1")
            for number in range(5):
                shells.sent([one.name], AWS_PROFILE="dev", WINDOWID=str(number))
                clusters.look_again(one)
                await asyncio.sleep(0.02)
            # All but whether the server is there, which is asked whenever it is silent.
            asked = Counter((r.path, r.is_watch) for r in api.requests if r.path != "/version")
            assert set(asked.values()) == {1}
    assert shells.calls() == ["dev"]


async def test_a_server_is_known_to_a_forward_while_its_environment_changes(
    shells: Shells, tmp_path: Path
) -> None:
    async with cluster(shells) as (api, clusters):
        one = forward(kubeconfig(tmp_path / "k", api, **shells.user()))
        shells.sent([one.name], AWS_PROFILE="dev")
        async with following(clusters, one) as [seen]:
            await seen.until_pods("web-1")
            before = clusters.server(one)
            shells.sent([one.name], AWS_PROFILE="prod")
            assert clusters.server(one) is before
            clusters.look_again(one)
            async with asyncio.timeout(5):
                while clusters.server(one) is before:  # noqa: ASYNC110
                    await asyncio.sleep(0)  # in no turn of the loop it has none


async def test_a_plugin_is_found_on_that_path_only(shells: Shells, tmp_path: Path) -> None:
    async with cluster(shells) as (api, clusters):
        one = forward(kubeconfig(tmp_path / "k", api, **shells.user("fake-login")))
        shells.sent([one.name], AWS_PROFILE="dev")
        async with following(clusters, one) as [seen]:
            await seen.until_problem(Reason.TOOL_MISSING)
            shells.sent([one.name], path=f"{shells.bin}:", AWS_PROFILE="dev")
            clusters.look_again(one)
            await seen.until_pods("web-1")


def behind_a_name(file: Path, port: int) -> str:
    """That nobody but a proxy of the test can find."""
    content = json.loads(file.read_text())
    content["clusters"][0]["cluster"]["server"] = f"https://api.invalid:{port}"
    file.write_text(json.dumps(content))
    return str(file)


async def test_each_goes_through_the_proxy_of_its_own_environment(shells: Shells, tmp_path: Path) -> None:
    async def to_here(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        where = await connect()(reader, writer)
        return ("127.0.0.1", where[1]) if where else None

    async with cluster(shells) as (api, clusters), proxying(to_here) as first, proxying(to_here) as second:
        file = behind_a_name(Path(kubeconfig(tmp_path / "k", api)), api.port)
        shells.sent(["a"], HTTPS_PROXY=f"http://127.0.0.1:{first.port}")
        shells.sent(["b"], HTTPS_PROXY=f"http://127.0.0.1:{second.port}")
        async with following(clusters, forward(file, name="a"), forward(file, name="b")) as all_seen:
            for seen in all_seen:
                await seen.until_pods("web-1")
        assert first.asked and second.asked


@pytest.mark.parametrize(("what", "reason"), [("login", Reason.LOGIN_EXPIRED), ("path", Reason.TOOL_MISSING)])
async def test_that_it_is_not_known_since_a_restart_is_said_where_it_may_be_the_cause(
    shells: Shells, tmp_path: Path, what: str, reason: Reason
) -> None:
    async with cluster(shells) as (api, clusters):
        user = shells.user("" if what == "login" else "fake-login")
        one = forward(kubeconfig(tmp_path / "k", api, **user), name="web")
        async with following(clusters, one) as [seen]:
            await seen.until_problem(reason)
            problem = seen.last.problem
            assert problem and "is not known since kfw was started again; `kfw retry web`" in problem.fix
            shells.sent(["web"])
            clusters.look_again(one)
            async with asyncio.timeout(5):
                while "is not known" in (seen.last.problem.fix if seen.last.problem else ""):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


async def test_logins_of_environments_that_are_gone_are_forgotten(shells: Shells, tmp_path: Path) -> None:
    async with cluster(shells) as (api, clusters):
        file = kubeconfig(tmp_path / "k", api, **shells.user())
        for number in range(20):
            shells.sent(["web"], AWS_PROFILE=f"p{number}")
            async with following(clusters, forward(file, name="web")) as [seen]:
                await seen.until_pods("web-1")
        assert len(clusters._logins) <= 17
