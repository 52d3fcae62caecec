"""A kubeconfig that cannot be read is not a reason to lose a cluster: what it said before goes on, and that is said."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from kfw.model import Reason
from kfw.target.registry import ClusterRegistry
from tests.target.following import following
from tests.target.test_registry import TIMEOUTS, WEB_1, forward, kubeconfig, shop
from tests.until import until

pytestmark = pytest.mark.asyncio


def replaced_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


BREAK: dict[str, Callable[[Path], object]] = {
    "half written": lambda file: file.write_bytes(file.read_bytes()[:40]),
    "no YAML": lambda file: file.write_text("x: ["),
    "a faulty user": lambda file: file.write_text(
        file.read_text().replace('"first-token"', '["first-token"]')
    ),
    "a faulty server": lambda file: file.write_text(
        file.read_text().replace("127.0.0.1:", "127.0.0.1:9999999")
    ),
    "no kubeconfig": lambda file: file.write_text("kind: Pod"),
    "a folder": replaced_by_a_folder,
    "two of a name": lambda file: file.write_text(
        file.read_text().replace('"users": [', '"users": [{"name": "ada"}, ')
    ),
}


@pytest.mark.parametrize("how", BREAK)
async def test_what_it_said_before_stays_in_use_until_a_valid_one_is_there(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    file = tmp_path / "k"
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        async with following(clusters, one := forward(kubeconfig(file, api, "first-token"))) as [seen]:
            await seen.until_pods("web-1")
            BREAK[how](file)
            await api.stop()
            message = await seen.until_problem(Reason.CLUSTER_UNREACHABLE)
            await until(
                lambda: seen.last.problem and "so its last answer stays in use" in seen.last.problem.message
            )
            assert seen.last.problem and f"cannot read the kubeconfig {file}" in seen.last.problem.message
            assert message.startswith(f"cannot reach the API server {api.url}")
            assert seen.last.pods == (WEB_1,)
            await api.start()
            await seen.until_pods("web-1")
            assert clusters.server(one).problem is None
            if file.is_dir():
                file.rmdir()
            kubeconfig(file, api, "newer")
            clusters.poke(one)
            await until(lambda: api.requests[-1].token == "newer")
    assert caplog.text.count("its last answer stays in use") == 1


@pytest.mark.parametrize("how", [how for how in BREAK if how != "half written"])
async def test_a_broken_one_at_the_start_is_said_and_the_cluster_comes_when_it_is_repaired(
    tmp_path: Path, how: str
) -> None:
    file = tmp_path / "k"
    async with shop() as api, ClusterRegistry(timeouts=TIMEOUTS) as clusters:
        kubeconfig(file, api, "first-token")
        BREAK[how](file)
        async with following(clusters, forward(str(file))) as [seen]:
            assert f"cannot read the kubeconfig {file}" in await seen.until_problem(Reason.BAD_CONFIG)
            if file.is_dir():
                file.rmdir()
            kubeconfig(file, api, "first-token")
            await seen.until_pods("web-1")
