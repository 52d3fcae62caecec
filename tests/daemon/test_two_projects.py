"""Two projects with forwards of the same names, in one daemon."""

import pytest

from kfw.config.layers import load as load_config
from kfw.daemon.store import load
from kfw.errors import UsageError
from kfw.kubeconfig.pin import pin
from kfw.model import Forward, Status
from kfw.names import RowId
from kfw.protocol import ADDED, AgainRequest, NamesRequest, Source, SwitchRequest, UpRequest
from kfw.supervisor.plan import Plan
from tests.daemon.test_core import Daemon, daemon
from tests.fakes import forward, settle
from tests.until import until

pytestmark = pytest.mark.asyncio
__all__ = ["daemon"]

ENTRY = "portForwards:\n  api: {{target: svc/api, targetPort: 80, localPort: {port}, context: test}}\n"


class Projects:
    """`shop` and `blog`, each with a kfw.yaml that has `api`."""

    def __init__(self, daemon: Daemon, port: int = 0) -> None:
        self.core = daemon.core
        self.kubeconfig = str(daemon.folder / "kubeconfig")
        self.files = {name: daemon.folder / name / "kfw.yaml" for name in ("shop", "blog")}
        for file in self.files.values():
            file.parent.mkdir()
            file.write_text(ENTRY.format(port=port))
        self.port = port

    def key(self, project: str) -> str:
        return str(self.files[project])

    def source(self, project: str) -> Source:
        folder = str(self.files[project].parent)
        return Source(
            key=self.key(project), project=self.key(project), cwd=folder, kubeconfig=self.kubeconfig
        )

    def row(self, project: str) -> RowId:
        return RowId(self.key(project), "api")

    def wanted(self, project: str) -> list[Forward]:
        folder = self.files[project].parent
        settings = load_config(folder, flags={}, user_file=folder / "none.yaml")
        return pin(settings.forwards.values(), self.kubeconfig)

    async def up(self, project: str) -> Plan:
        """As `kfw up` in its folder."""
        request = UpRequest(forwards=self.wanted(project), source=self.source(project), replace=True)
        done = await self.core.up(request)
        await settle()
        return done

    def shown(self) -> dict[str, Status]:
        return {row.display_name: row.status for row in self.core.supervisor.statuses()}

    def asked(self, *words: str, project: str = "") -> NamesRequest:
        return NamesRequest(list(words), self.key(project) if project else "")


@pytest.fixture
def projects(daemon: Daemon) -> Projects:
    return Projects(daemon)


async def test_each_has_its_own_row_and_only_then_the_project_is_in_its_name(projects: Projects) -> None:
    await projects.up("shop")
    assert projects.shown() == {"api": Status.STARTING}
    await projects.up("blog")
    assert projects.shown() == {"shop/api": Status.STARTING, "blog/api": Status.STARTING}
    await projects.core.remove(projects.asked("api", project="blog"))
    assert projects.shown() == {"api": Status.STARTING}


async def test_down_in_one_leaves_the_other_and_both_come_back_with_the_next_daemon(
    projects: Projects, daemon: Daemon
) -> None:
    await projects.up("shop")
    await projects.up("blog")
    await projects.core.supervisor.close()
    again = Daemon(daemon.folder)
    await again.core.restore()
    try:
        assert set(again.core.supervisor.rows()) == {projects.row("shop"), projects.row("blog")}
        assert await again.core.down(projects.asked(project="shop")) == [projects.row("shop")]
        statuses = {row.id: row.status for row in again.core.supervisor.statuses()}
        assert statuses[projects.row("blog")] is Status.STARTING
        assert statuses[projects.row("shop")] is Status.STOPPED
    finally:
        await again.core.supervisor.close()


@pytest.mark.parametrize("verb", ["down", "remove", "restart", "retry", "disable", "enable"])
async def test_every_verb_takes_the_callers_own_or_the_project_that_is_named(
    projects: Projects, verb: str
) -> None:
    await projects.up("shop")
    await projects.up("blog")

    async def say(word: str, caller: str) -> list[RowId]:
        if verb in ("disable", "enable"):
            request = SwitchRequest(names=[word], source=projects.source(caller))
            return list(await getattr(projects.core, verb)(request))
        if verb in ("restart", "retry"):
            asked = AgainRequest(names=[word], project=projects.key(caller))
            return list(getattr(projects.core, verb)(asked))
        return list(await getattr(projects.core, verb)(projects.asked(word, project=caller)))

    assert await say("api", "blog") == [projects.row("blog")]
    assert await say("shop/api", "blog") == [projects.row("shop")]


async def test_from_elsewhere_a_name_that_two_have_is_refused_with_both(projects: Projects) -> None:
    await projects.up("shop")
    assert projects.core.one("api", "/elsewhere/kfw.yaml") == projects.row("shop")
    await projects.up("blog")
    for ask in (projects.core.down, projects.core.remove):
        with pytest.raises(UsageError, match="'api' is in 2 projects") as refused:
            await ask(projects.asked("api"))
        assert refused.value.fix == "name one of shop/api, blog/api"
    with pytest.raises(UsageError, match="cannot find a forward named 'apu'") as unknown:
        await projects.core.down(projects.asked("apu"))
    assert "did you mean shop/api or blog/api?" in unknown.value.fix


async def test_one_entry_in_both_files_is_one_port_and_stays_for_the_one_that_still_wants_it(
    daemon: Daemon,
) -> None:
    projects = Projects(daemon, port=18431)
    await projects.up("shop")
    done = await projects.up("blog")
    assert done.keep == (projects.row("shop"),)
    assert projects.shown() == {"api": Status.STARTING}
    await projects.core.down(projects.asked(project="shop"))
    await until(lambda: projects.row("blog") in projects.core.supervisor.running())
    assert await projects.core.down(projects.asked(project="blog")) == [projects.row("blog")]
    assert projects.core.supervisor.is_idle()


async def test_who_shares_a_port_and_goes_down_leaves_it_to_the_other(daemon: Daemon) -> None:
    projects = Projects(daemon, port=18432)
    await projects.up("shop")
    await projects.up("blog")
    assert await projects.core.down(projects.asked(project="blog")) == [projects.row("blog")]
    await settle()
    assert projects.shown() == {"api": Status.STARTING}
    assert await projects.core.down(projects.asked(project="shop")) == [projects.row("shop")]
    await settle()
    assert projects.core.supervisor.is_idle()


async def test_a_port_that_the_other_project_has_is_refused_with_its_name(daemon: Daemon) -> None:
    projects = Projects(daemon, port=18433)
    await projects.up("shop")
    other = forward("api", local_port=18433, target_port=81)
    await projects.core.up(UpRequest(forwards=[other], source=projects.source("blog")))
    report = projects.core.supervisor.report
    await until(lambda: report(projects.row("blog")).status is Status.ERROR)
    assert "cannot listen on 18433: the forward 'shop/api' has it" in report(projects.row("blog")).message


async def test_what_was_added_is_the_projects_from_the_moment_its_file_has_it_and_keeps_its_runner(
    daemon: Daemon,
) -> None:
    projects = Projects(daemon, port=18434)
    [wanted] = projects.wanted("shop")
    added = Source(key=ADDED, cwd="/", kubeconfig=projects.kubeconfig)
    await projects.core.up(UpRequest(forwards=[wanted], source=added, environ={"WHO": "ada"}))
    await settle()
    runner = projects.core.supervisor.runner(RowId(ADDED, "api"))
    assert not (await projects.up("shop")).changes
    assert projects.core.supervisor.runner(projects.row("shop")) is runner
    assert list(projects.core.supervisor.rows()) == [projects.row("shop")]
    assert daemon.fake.world.environs.of(projects.row("shop"))["WHO"] == "ada"
    assert [one.source for one in load(daemon.folder / "up.json").forwards] == [projects.key("shop")]
    assert await projects.core.down(projects.asked(project="shop")) == [projects.row("shop")]
    assert projects.core.supervisor.is_idle()
