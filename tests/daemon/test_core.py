"""What the daemon does with whole sets: up, down, reload, and what is on disk afterwards."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from kfw.daemon import saved_record
from kfw.daemon.events import Events
from kfw.daemon.service import DaemonService
from kfw.daemon.store import load
from kfw.errors import ConfigError
from kfw.model import Forward, Status
from kfw.names import RowId
from kfw.protocol import ADDED, NamesRequest, ReloadRequest, Source, UpRequest
from kfw.supervisor.supervisor import Supervisor
from tests.fakes import FakeWorld, forward, settle
from tests.system.test_files import no_file_longer_than
from tests.until import until

pytestmark = pytest.mark.asyncio

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts:
- {name: test, context: {cluster: c, user: u}}
- {name: other, context: {cluster: c, user: u}}
"""


class Daemon:
    """A DaemonService over a fake world, as the daemon makes it."""

    def __init__(self, folder: Path, *, on_demand: bool = False) -> None:
        self.folder = folder
        self.config = folder / "kfw.yaml"
        self.fake = FakeWorld()
        self.events = Events(self.fake.clock)
        supervisor = Supervisor(self.fake.world, lambda kind, status: None)
        self.core = DaemonService(
            supervisor, self.events, self.fake.clock, folder / "up.json", on_demand=on_demand
        )
        (folder / "kubeconfig").write_text(KUBECONFIG)

    @property
    def statuses(self) -> dict[str, Status]:
        return {row.name: row.status for row in self.core.supervisor.statuses()}

    def write(self, *names: str, port: int = 80) -> None:
        entries = "".join(
            f"  {name}: {{target: svc/{name}, targetPort: {port}, localPort: 0}}\n" for name in names
        )
        self.config.write_text(f"portForwards:\n{entries}" if names else "portForwards: {}\n")

    def source(self) -> Source:
        return Source(key=str(self.config), cwd=str(self.folder), kubeconfig=str(self.folder / "kubeconfig"))

    async def up(self, *forwards: Forward, whole: bool = True) -> None:
        await self.core.up(UpRequest(forwards=list(forwards), source=self.source(), replace=whole))
        await settle()

    async def reload(self, context: str = "") -> tuple[list[str], ...]:
        reply = await self.core.reload(ReloadRequest(context=context))
        await settle()
        return tuple(
            [row.name for row in rows] for rows in (reply.start, reply.restart, reply.stop, reply.keep)
        )


@pytest_asyncio.fixture
async def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Daemon]:
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "home"))
    made = Daemon(tmp_path)
    yield made
    await made.core.supervisor.close()


async def loaded(daemon: Daemon, *names: str) -> None:
    """Up with exactly what the file says, so that a reload finds nothing changed."""
    daemon.write(*names)
    await daemon.up(forward("first"))
    await daemon.reload()


async def test_reload_starts_what_is_new_stops_what_is_gone_and_leaves_the_rest_alone(daemon: Daemon) -> None:
    await loaded(daemon, "a", "b")
    daemon.write("b", "c")
    assert await daemon.reload() == (["c"], [], ["a"], ["b"])


async def test_reload_restarts_what_changed(daemon: Daemon) -> None:
    await loaded(daemon, "a")
    daemon.write("a", port=81)
    assert await daemon.reload() == ([], ["a"], [], [])


async def test_a_broken_config_changes_nothing_that_runs(daemon: Daemon) -> None:
    await loaded(daemon, "a")
    daemon.config.write_text("portForwards: {a: {target: [}}")
    with pytest.raises(ConfigError):
        await daemon.core.reload()
    assert daemon.statuses["a"] is Status.STARTING


async def test_reload_of_a_context_touches_only_what_is_in_it_and_the_rest_waits_for_the_next_one(
    daemon: Daemon,
) -> None:
    text = "portForwards:\n  %s: {target: svc/x, localPort: 0}\n  %s: {target: svc/x, localPort: 0, context: other}\n"
    text += "profiles:\n  %s: {namespaces: [a], context: other}\n"
    daemon.config.write_text(text % ("a", "b", "by-label"))
    await daemon.up(forward("first"))
    await daemon.reload()
    daemon.config.write_text(text % ("c", "d", "by-name"))
    assert await daemon.reload("other") == (["d"], [], ["b"], [])
    assert set(daemon.statuses) == {"a", "d"}
    assert list(daemon.core.record().projects[str(daemon.config)].selections) == ["by-name"]
    assert await daemon.reload("elsewhere") == ([], [], [], [])
    assert await daemon.reload() == (["c"], [], ["a"], ["d"])


async def test_reload_of_a_context_brings_the_environment_to_what_is_in_it(daemon: Daemon) -> None:
    environs = daemon.fake.world.environs
    daemon.config.write_text(
        "portForwards:\n  a: {target: svc/x, localPort: 0}\n  b: {target: svc/x, localPort: 0, context: other}\n"
    )
    await daemon.up(forward("first"))
    await daemon.core.reload(ReloadRequest(project=str(daemon.config), environ={"WHO": "first"}))
    request = ReloadRequest(project=str(daemon.config), environ={"WHO": "second"}, context="other")
    await daemon.core.reload(request)
    who = [environs.of(RowId(str(daemon.config), name))["WHO"] for name in "ab"]
    assert who == ["first", "second"]


async def test_reload_leaves_what_was_added_by_hand_alone(daemon: Daemon) -> None:
    await loaded(daemon, "a")
    await daemon.core.up(UpRequest(forwards=[forward("extra")], source=Source(key=ADDED, cwd="/")))
    assert await daemon.reload() == ([], [], [], ["a"])
    assert "extra" in daemon.statuses


async def test_reload_brings_the_callers_environment_to_the_callers_project_and_to_whoever_has_none(
    daemon: Daemon,
) -> None:
    environs = daemon.fake.world.environs
    await loaded(daemon, "a")
    await daemon.core.reload(ReloadRequest(project="/another/kfw.yaml", environ={"WHO": "first"}))
    assert environs.of(RowId(str(daemon.config), "a"))["WHO"] == "first"  # as after a restart of the daemon
    await daemon.core.reload(ReloadRequest(project="/another/kfw.yaml", environ={"WHO": "stranger"}))
    assert environs.of(RowId(str(daemon.config), "a"))["WHO"] == "first"
    await daemon.core.reload(ReloadRequest(project=str(daemon.config), environ={"WHO": "owner"}))
    assert environs.of(RowId(str(daemon.config), "a"))["WHO"] == "owner"
    daemon.write("a", "b")
    await daemon.core.reload()  # HUP: nobody's environment, so that of the source
    assert environs.of(RowId(str(daemon.config), "b"))["WHO"] == "owner"


async def test_nothing_of_an_environment_is_stored(daemon: Daemon) -> None:
    request = UpRequest(forwards=[forward("a")], source=daemon.source(), environ={"KEY": "S3CR3T-value"})
    await daemon.core.up(request)
    assert daemon.fake.world.environs.of(RowId(str(daemon.config), "a"))["KEY"] == "S3CR3T-value"
    written = (daemon.folder / "up.json").read_text()
    assert "KEY" not in written and "S3CR3T" not in written
    assert "S3CR3T" not in "".join(map(str, daemon.events.since(0)))


async def test_reload_after_an_up_of_some_names_starts_no_others(daemon: Daemon) -> None:
    daemon.write("a", "b")
    await daemon.up(forward("a"), whole=False)
    started, restarted, _, _ = await daemon.reload()
    assert (started, restarted) == ([], ["a"])


async def test_what_is_up_is_on_disk_and_what_went_down_is_not(daemon: Daemon) -> None:
    await daemon.up(forward("a"), forward("b"))
    await daemon.core.down(NamesRequest(["a"]))
    assert [f.name for f in load(daemon.folder / "up.json").forwards] == ["b"]


async def test_a_full_disk_is_said_and_keeps_no_port_away(daemon: Daemon) -> None:
    with no_file_longer_than(10):
        await daemon.up(forward("a"))
        assert daemon.statuses == {"a": Status.STARTING}
        assert "state was not saved" in daemon.events.since(0)[-1].message


async def test_a_state_that_could_not_be_saved_is_saved_as_soon_as_it_can_be(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_record, "SAVE_AGAIN", 0.02)
    with no_file_longer_than(10):
        await daemon.up(forward("a"))
        await asyncio.sleep(0.1)
        (said,) = daemon.core.warnings()
        assert said.startswith("state was not saved")
        told = [event.message for event in daemon.events.since(0) if "state" in event.message]
        assert len(told) == 1
    await until(lambda: not daemon.core.warnings())
    assert [f.name for f in load(daemon.folder / "up.json").forwards] == ["a"]
    assert daemon.events.since(0)[-1].message == "state is saved again"


async def test_what_is_in_the_place_of_the_state_and_not_a_file_is_put_aside(daemon: Daemon) -> None:
    (daemon.folder / "up.json").mkdir()
    await daemon.up(forward("a"))
    assert daemon.core.warnings() == []
    assert [f.name for f in load(daemon.folder / "up.json").forwards] == ["a"]
    assert (daemon.folder / "up.broken").is_dir()


async def test_a_new_daemon_brings_back_what_was_up_and_an_equal_up_changes_nothing(daemon: Daemon) -> None:
    await daemon.up(forward("a"))
    await daemon.core.supervisor.close()
    again = Daemon(daemon.folder)
    await again.core.restore()
    reply = await again.core.up(UpRequest(forwards=[forward("a")], source=again.source(), replace=True))
    assert ([row.name for row in reply.keep], reply.start) == (["a"], ())
    await again.core.supervisor.close()


async def test_A39_a_moved_forward_keeps_its_port_in_the_next_daemon_until_another_program_has_that(
    daemon: Daemon,
) -> None:
    """Although its own is free again. `down` does not forget it, `remove` does."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        own = other.getsockname()[1]
        web = forward("web", local_port=own, addresses=("127.0.0.1",), on_port_in_use="next")
        await daemon.up(web)
        moved = port_of(daemon)
    assert moved != own
    daemon = await next_daemon(daemon)
    assert port_of(daemon) == moved
    await daemon.core.down(NamesRequest(["web"]))
    daemon = await next_daemon(daemon)
    await daemon.up(web)
    assert port_of(daemon) == moved
    await daemon.core.down(NamesRequest(["web"]))
    with socket.create_server(("127.0.0.1", moved)):
        await daemon.up(web)
        assert port_of(daemon) == own
        await daemon.core.supervisor.close()
    daemon = await next_daemon(daemon)
    assert port_of(daemon) == own
    await daemon.core.supervisor.close()


async def test_A39_a_removed_forward_begins_at_its_own_port(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        own = other.getsockname()[1]
        web = forward("web", local_port=own, addresses=("127.0.0.1",), on_port_in_use="next")
        await daemon.up(web)
        await daemon.core.remove(NamesRequest(["web"]))
    await daemon.up(web)
    assert port_of(daemon) == own


def port_of(daemon: Daemon) -> int:
    (row,) = daemon.core.supervisor.statuses()
    return row.local_port


async def next_daemon(before: Daemon) -> Daemon:
    """As after `kfw stop` and `kfw start`."""
    before.core.stop("the test wants another one")
    await before.core.supervisor.close()
    again = Daemon(before.folder)
    await again.core.restore()
    await settle()
    return again


async def test_a_daemon_that_nobody_asked_for_ends_with_its_last_forward(tmp_path: Path) -> None:
    for end in ("down", "remove"):
        daemon = Daemon(tmp_path, on_demand=True)
        await daemon.up(forward("a"), forward("b"))
        await getattr(daemon.core, end)(NamesRequest(["a"]))
        assert not daemon.core.ended.is_set()
        await getattr(daemon.core, end)(NamesRequest(["b"]))
        assert daemon.core.ended.is_set()


async def test_a_disabled_forward_is_a_row_without_a_process(daemon: Daemon) -> None:
    await daemon.up(replace(forward("a"), enabled=False))
    assert daemon.statuses == {"a": Status.DISABLED}
