"""What SIGUSR1 writes: bounded, private, without secrets, and of use."""

import asyncio
from pathlib import Path

import pytest

from kfw.daemon.dump import KEPT, LONGEST, text_of, write_dump
from kfw.errors import KfwError
from kfw.model import Resolution
from kfw.secret import Secret
from kfw.supervisor.supervisor import Supervisor
from tests.fakes import FakeMethod, FakeWorld, forward, node, settle

pytestmark = pytest.mark.asyncio


async def test_it_tells_of_forwards_tasks_and_memory_and_keeps_secrets(tmp_path: Path) -> None:
    token = Secret("sesame-open-now")
    fake = FakeWorld(FakeMethod())
    supervisor = Supervisor(fake.world, lambda kind, status: None)

    async def wait_for_ever(hidden: str) -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(wait_for_ever("sesame-open-now"), name="of sesame-open-now")
    try:
        await supervisor.up([forward()])
        await settle()
        await fake.clusters.say(Resolution(nodes=(node(),)))
        path = write_dump(tmp_path, supervisor, 5.0, fake.clock)  # type: ignore[arg-type]
        assert path is not None
        text = path.read_text()
    finally:
        task.cancel()
        await supervisor.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert "api: active via nodeport to node node-1:30080; 0 open" in text
    assert "  forward api: tasks.py" not in text
    assert "test_dump.py" in text
    assert "wait_for_ever" in text
    assert "memory: " in text
    assert token.reveal() not in text
    assert text.count("\n\n") == 3


async def test_only_the_last_few_are_kept_and_one_is_never_long(tmp_path: Path) -> None:
    fake = FakeWorld(FakeMethod())
    supervisor = Supervisor(fake.world, lambda kind, status: None)
    tasks = [asyncio.create_task(asyncio.sleep(100), name="n" * 2000) for _ in range(1500)]
    try:
        await settle()
        assert len(text_of(supervisor, 1.0, "now")) <= LONGEST + 1
        for _ in range(KEPT + 3):
            fake.clock.time += 1
            write_dump(tmp_path, supervisor, 1.0, fake.clock)  # type: ignore[arg-type]
    finally:
        for task in tasks:
            task.cancel()
    assert len(list(tmp_path.iterdir())) == KEPT  # noqa: ASYNC240


async def test_a_disk_that_takes_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise KfwError("cannot write it: no space left on device")

    monkeypatch.setattr("kfw.daemon.dump.write_atomic", full)
    fake = FakeWorld()
    assert write_dump(tmp_path, Supervisor(fake.world, lambda *_: None), 1.0, fake.clock) is None  # type: ignore[arg-type]
    assert "no dump: cannot write it: no space left on device" in caplog.text
