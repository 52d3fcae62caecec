"""A project's files are read again when they have changed and are at rest, and only then."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kfw.daemon import project_watch
from kfw.daemon.project_watch import ProjectWatch
from kfw.system.changes import FileChanges, stamp
from tests.until import until

pytestmark = pytest.mark.asyncio


class Watched:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.read: list[str] = []
        self.changes = FileChanges(interval=0.01)
        self.watch = ProjectWatch(self.changes, self.note)

    async def note(self, key: str) -> None:
        self.read.append(self.file.read_text() if self.file.exists() else "gone")

    def follow(self) -> None:
        self.watch.follow({"p": {str(self.file): stamp(str(self.file))}})


@pytest_asyncio.fixture
async def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(project_watch, "AT_REST", 0.1)
    (tmp_path / "kfw.yaml").write_text("first")
    made = Watched(tmp_path / "kfw.yaml")
    made.follow()
    yield made
    made.watch.close()


async def test_several_writes_are_read_once_and_the_last_of_them(watched: Watched) -> None:
    for number in range(5):
        watched.file.write_text(f"number {number}" * (number + 1))
        await asyncio.sleep(0.03)
    await until(lambda: watched.read)
    await asyncio.sleep(0.3)
    assert watched.read[-1] == "number 4" * 5
    assert len(watched.read) <= 2  # a machine that stood still may have seen them as two


async def test_an_editor_that_renames_a_new_file_over_the_old_one_is_seen(watched: Watched) -> None:
    new = watched.file.with_suffix(".new")
    new.write_text("other")
    new.replace(watched.file)
    await until(lambda: watched.read == ["other"])


async def test_a_file_that_goes_and_comes_back_is_told_both_times(watched: Watched) -> None:
    watched.file.unlink()
    await until(lambda: watched.read == ["gone"])
    watched.file.write_text("back")
    await until(lambda: watched.read == ["gone", "back"])


async def test_what_is_not_followed_any_more_is_not_read(watched: Watched) -> None:
    watched.file.write_text("changed")
    watched.watch.follow({})
    await asyncio.sleep(0.4)
    assert watched.read == []


async def test_what_changed_before_it_was_followed_is_seen_by_its_stamp(watched: Watched) -> None:
    """As after a restart of the daemon, whose record has the stamps."""
    before = stamp(str(watched.file))
    watched.file.write_text("while no daemon ran")
    watched.watch.follow({"p": {str(watched.file): before}})
    await until(lambda: watched.read == ["while no daemon ran"])


async def test_to_be_followed_again_in_the_same_state_tells_nothing_twice(watched: Watched) -> None:
    before = {"p": {str(watched.file): stamp(str(watched.file))}}
    watched.file.write_text("wrong, and so not taken")
    await until(lambda: len(watched.read) == 1)
    watched.watch.follow(before)
    await asyncio.sleep(0.4)
    assert len(watched.read) == 1
