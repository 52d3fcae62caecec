"""Whose environment a forward has: of who brought it up, then of who named it, never of another project's caller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kfw.environ import Environ
from kfw.names import RowId
from kfw.protocol import ADDED, ForwardStatus
from kfw.supervisor.supervisor import Supervisor
from tests.fakes import FakeWorld, forward, settle

pytestmark = pytest.mark.asyncio

MINE, OTHERS = "/mine/kfw.yaml", "/others/kfw.yaml"
ROWS = {
    name: RowId(source, name)
    for name, source in zip("abcdef", (MINE, MINE, OTHERS, ADDED, MINE, OTHERS), strict=True)
}


class World:
    """Forwards `a` and `b` of mine, `c` of others, `d` added; none can be opened, so all wait."""

    def __init__(self) -> None:
        self.fake = FakeWorld()
        self.supervisor = Supervisor(self.fake.world, self._told)

    def _told(self, kind: str, status: ForwardStatus) -> None:
        pass

    def sent(self, **variables: str) -> Environ:
        made = self.supervisor.environ_of(variables)
        assert made
        return made

    async def up(self, source: str, *names: str, environ: Environ | None = None, whole: bool = False) -> None:
        wanted = [forward(name, source=source) for name in names]
        await self.supervisor.up(wanted, replaces=source if whole else None, environ=environ)

    def of(self, name: str) -> str:
        """What WHO is in its environment."""
        return self.fake.world.environs.of(ROWS[name]).get("WHO", "")


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    made = World()
    first = made.sent(WHO="mine")
    await made.up(MINE, "a", "b", environ=first)
    await made.up(OTHERS, "c", environ=made.sent(WHO="others"))
    await made.up(ADDED, "d", environ=made.sent(WHO="added"))
    try:
        yield made
    finally:
        await made.supervisor.close()


def all_of(made: World) -> list[str]:
    return [made.of(name) for name in "abcd"]


async def test_each_has_that_of_who_brought_it_up() -> None:
    async with world() as made:
        assert all_of(made) == ["mine", "mine", "others", "added"]


@pytest.mark.parametrize(
    ("names", "project", "after"),
    [
        (["a"], MINE, ["new", "mine", "others", "added"]),
        (["c"], MINE, ["mine", "mine", "new", "added"]),
        ([], MINE, ["new", "new", "others", "new"]),
        ([], OTHERS, ["mine", "mine", "new", "new"]),
        ([], "", ["new", "new", "new", "new"]),
    ],
)
async def test_a_retry_brings_it_to_what_it_names_else_to_all_but_other_projects(
    names: list[str], project: str, after: list[str]
) -> None:
    async with world() as made:
        made.supervisor.retry([ROWS[name] for name in names], made.sent(WHO="new"), project)
        assert all_of(made) == after


@pytest.mark.parametrize(
    ("names", "project", "after"),
    [
        (["a", "c"], MINE, ["new", "mine", "new", "added"]),
        ([], MINE, ["new", "new", "others", "added"]),
        ([], "", ["mine", "mine", "others", "added"]),
    ],
)
async def test_a_restart_brings_it_to_what_it_names_else_to_its_own_project(
    names: list[str], project: str, after: list[str]
) -> None:
    async with world() as made:
        made.supervisor.restart([ROWS[name] for name in names], made.sent(WHO="new"), project)
        assert all_of(made) == after


async def test_what_stays_up_hears_of_a_new_one_and_of_the_same_one_nothing() -> None:
    async with world() as made:
        looks = made.fake.clusters.looks
        await made.up(MINE, "a", "b", environ=made.sent(WHO="mine"))
        assert made.fake.clusters.looks == looks
        await made.up(MINE, "a", "b", environ=made.sent(WHO="new"))
        assert made.fake.clusters.looks == looks + 2
        assert all_of(made) == ["new", "new", "others", "added"]


async def test_a_named_up_brings_it_to_these_alone() -> None:
    async with world() as made:
        await made.up(MINE, "b", environ=made.sent(WHO="new"))
        assert all_of(made) == ["mine", "new", "others", "added"]


async def test_what_a_reload_finds_new_in_a_file_gets_that_of_its_source() -> None:
    async with world() as made:
        await made.up(MINE, "a", "b", "e", whole=True)
        assert made.of("e") == "mine"
        await made.up(OTHERS, "f")
        assert made.of("f") == "others"


async def test_two_projects_with_one_name_have_each_their_own() -> None:
    async with world() as made:
        await made.supervisor.up([forward("a", source=OTHERS)], environ=made.sent(WHO="theirs"))
        assert made.of("a") == "mine"
        assert made.fake.world.environs.of(RowId(OTHERS, "a"))["WHO"] == "theirs"


async def test_after_a_restart_of_the_daemon_nobody_has_one_and_any_retry_brings_it_to_all() -> None:
    made = World()
    try:
        await made.up(MINE, "a")
        await made.up(OTHERS, "c")
        await settle()
        made.fake.world.environs._own.known = False
        made.supervisor.retry([], made.sent(WHO="new"), MINE)
        assert [made.of("a"), made.of("c")] == ["new", "new"]
    finally:
        await made.supervisor.close()


@pytest.mark.parametrize("verb", ["down", "remove"])
async def test_what_is_down_keeps_no_environment(verb: str) -> None:
    async with world() as made:
        await getattr(made.supervisor, verb)([ROWS["c"]])
        assert all_of(made) == ["mine", "mine", "", "added"]
        assert made.supervisor.environ_is_missing(OTHERS)
        assert not made.supervisor.environ_is_missing(MINE)


async def test_a_method_is_given_that_of_its_forward() -> None:
    from kfw.model import Resolution
    from tests.fakes import node

    async with world() as made:
        seen = []
        method = made.fake.methods["nodeport"]
        opened = method.open

        async def open_(way):  # type: ignore[no-untyped-def]
            seen.append((way.forward.name, dict(way.environ).get("WHO")))
            return await opened(way)

        method.open = open_  # type: ignore[method-assign]
        for _ in range(8):
            await made.fake.clusters.say(Resolution(nodes=(node(),)))
        assert dict(seen) == {"a": "mine", "b": "mine", "c": "others", "d": "added"}
