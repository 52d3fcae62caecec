"""The kubeconfigs in use: off the loop, read again when they change, and a failure is not remembered."""

import asyncio
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfw.errors import UsageError
from kfw.kubeconfig import load as kubeconfig_files
from kfw.kubeconfig.entries import Kubeconfig
from kfw.kubeconfig.load import Kubeconfigs
from tests.kubeconfig.test_entries import entry, write

pytestmark = pytest.mark.asyncio


async def token(known: Kubeconfigs, file: str) -> str:
    return (await known.access((file,), "a")).user.token.reveal()


async def test_a_file_is_read_again_when_it_has_changed_and_only_then(tmp_path: Path) -> None:
    known, file = Kubeconfigs(), write(tmp_path / "k", entry("a", token="one"))
    before = os.stat(file)  # noqa: PTH116
    assert await token(known, file) == "one"

    with open(file, "r+") as opened:  # noqa: ASYNC230, PTH123  in place, as long as before, with the old time
        content = opened.read().replace("one", "two")
        opened.seek(0)
        opened.write(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await token(known, file) == "one"

    os.utime(file)
    assert await token(known, file) == "two"


async def test_what_many_ask_for_at_once_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[int] = []
    load = kubeconfig_files.load
    monkeypatch.setattr(kubeconfig_files, "load", lambda files: loads.append(1) or load(files))
    known, file = Kubeconfigs(), write(tmp_path / "k", entry("a", token="one"))

    assert set(await asyncio.gather(*(token(known, file) for _ in range(100)))) == {"one"}
    assert len(loads) == 1


def unreadable(folder: Path) -> Iterator[Path]:
    os.mkfifo(folder / "fifo")
    yield folder / "fifo"
    (folder / "zero").symlink_to("/dev/zero")
    yield folder / "zero"
    (folder / "tty").symlink_to("/dev/tty")
    yield folder / "tty"
    (folder / "folder").mkdir()
    yield folder / "folder"
    with (folder / "sparse").open("wb") as sparse:
        sparse.truncate(5 << 30)
    yield folder / "sparse"
    (folder / "loop").symlink_to(folder / "loop")
    yield folder / "loop"
    yield folder / "k" / "under-a-file"


async def test_what_is_no_file_is_refused_at_once_and_a_file_in_its_place_is_read(tmp_path: Path) -> None:
    good = write(tmp_path / "k", entry("a", token="one"))
    known = Kubeconfigs()
    for path in unreadable(tmp_path):
        async with asyncio.timeout(1):
            with pytest.raises(UsageError, match=f"cannot read the kubeconfig {path}: ") as caught:
                await known.access((str(path),), "a")
        assert caught.value.reason == "bad-config"
        if path.name in ("fifo", "zero", "sparse"):
            path.unlink()
            path.write_bytes(Path(good).read_bytes())  # noqa: ASYNC240
            assert await token(known, str(path)) == "one"


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_read_that_fails_is_not_remembered(tmp_path: Path) -> None:
    known, file = Kubeconfigs(), write(tmp_path / "k", entry("a", token="one"))
    with no_descriptors_left(), pytest.raises(UsageError, match="Too many open files"):
        await token(known, file)

    assert await token(known, file) == "one"


async def test_what_was_known_last_is_there_while_the_file_is_broken(tmp_path: Path) -> None:
    known, file = Kubeconfigs(), write(tmp_path / "k", entry("a", token="one"))
    assert known.last((file,), "a") is None
    await token(known, file)
    for broken in ("x: [", "users: 5", '{"contexts": []}', ""):
        write(tmp_path / "k", broken)
        with pytest.raises(UsageError):
            await token(known, file)
        last = known.last((file,), "a")
        assert last and last.user.token == "one"


async def test_a_file_system_that_hangs_holds_up_neither_the_loop_nor_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()

    def load(files: tuple[str, ...]) -> Kubeconfig:
        hangs.wait(20)
        return Kubeconfig()

    known, file = Kubeconfigs(timeout=0.2), write(tmp_path / "k", entry("a", token="one"))
    with monkeypatch.context() as patch:
        patch.setattr(kubeconfig_files, "load", load)
        ticks = 0
        waiting = asyncio.create_task(token(known, file))
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        with pytest.raises(UsageError, match=r"it takes more than 0\.2 s"):
            await waiting
    assert ticks > 5
    assert await token(known, file) == "one"
    hangs.set()
