"""Files of others are looked at, in all the ways in which people and programs replace them."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kfw.system.changes import FileChanges, stamp


def written(file: Path) -> None:
    file.write_text("another content")


def replaced(file: Path) -> None:
    new = file.with_suffix(".new")
    new.write_text(file.read_text())
    new.replace(file)


def removed(file: Path) -> None:
    file.unlink()


def of_the_same_size(file: Path) -> None:
    file.write_text(file.read_text().swapcase())


def behind_a_link(file: Path) -> None:
    """As a mounted secret is renewed: the link to the folder moves."""
    second = file.parent / "second"
    second.write_text("renewed")
    link = file.parent / "link.new"
    link.symlink_to(second)
    link.replace(file)


def a_fifo_now(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [written, replaced, removed, of_the_same_size, behind_a_link, a_fifo_now],
    ids=lambda c: c.__name__,
)
async def test_a_change_is_told_and_then_there_is_silence(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    file, told = tmp_path / "config", asyncio.Queue[None]()
    file.write_text("content")
    changes = FileChanges(0.01)
    changes.watch("owner", {str(file): stamp(str(file))}, lambda: told.put_nowait(None))

    change(file)

    async with asyncio.timeout(5):
        await told.get()
    await asyncio.sleep(0.05)
    assert told.qsize() <= 1  # a file that is written in place is empty for a moment
    changes.close()


@pytest.mark.asyncio
async def test_a_change_between_the_reading_and_the_watching_is_told(tmp_path: Path) -> None:
    file, told = tmp_path / "config", asyncio.Event()
    known = stamp(str(file))
    file.write_text("it comes")
    changes = FileChanges(0.01)

    changes.watch("owner", {str(file): known}, told.set)

    async with asyncio.timeout(5):
        await told.wait()
    changes.close()


@pytest.mark.asyncio
async def test_who_watches_nothing_any_more_is_told_nothing(tmp_path: Path) -> None:
    file, first, second = tmp_path / "config", asyncio.Event(), asyncio.Event()
    changes = FileChanges(0.01)
    changes.watch("first", {str(file): stamp(str(file))}, first.set)
    changes.watch("second", {str(file): stamp(str(file))}, second.set)

    changes.watch("first", {}, first.set)
    file.write_text("it comes")

    async with asyncio.timeout(5):
        await second.wait()
    assert not first.is_set()
    changes.close()
