"""Stubs: programs first on PATH that bear a tool's name, do what the test wrote down, and record how they were called."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Call:
    argv: list[str]
    pid: int
    env: dict[str, str]


class Stubs:
    """`script("kubectl", {"err": "no"}, {"exit": 1})` is what the next kubectl does.

    Steps, in order: listen PORT (0: any; then {port} in texts is the real one; a word: what follows it in argv), serve
    echo|close|silent|http (beside the next steps), out TEXT, err TEXT, bytes [stdout|stderr, TEXT in latin-1, TIMES],
    sleep SECONDS, ignore TERM, leave_behind SECONDS (a process of the same group that ignores TERM), wait_for FILE (of
    `home`), exit CODE.
    After the last step the stub ends with 0.
    """

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        python = (
            home / "python"
        )  # this one, and not what PATH calls python3: a shim may take longer than the test
        python.mkdir()
        (python / "python3").symlink_to(sys.executable)
        monkeypatch.setenv("PATH", os.pathsep.join([str(HERE), str(python), os.environ["PATH"]]))
        monkeypatch.setenv("KFW_STUBS", str(home))

    def script(self, tool: str, *steps: dict[str, Any]) -> None:
        new = self.home / f"{tool}.new"
        new.write_text(json.dumps(steps))
        new.replace(self.home / f"{tool}.json")

    def go(self, name: str) -> None:
        """What `wait_for` waits for."""
        (self.home / name).touch()

    def calls(self, tool: str) -> list[Call]:
        calls = self.home / f"{tool}.calls"
        return [Call(**json.loads(line)) for line in calls.read_text().splitlines()] if calls.exists() else []


#: A child that lives until it is ended.
FOREVER: dict[str, Any] = {"sleep": 1000}


async def eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for what another process does, and nothing here can signal."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


class Heard(list[tuple[str, str]]):
    """An on_line that remembers (stream, line)."""

    def __call__(self, stream: str, line: str) -> None:
        self.append((stream, line))

    async def until(self, text: str) -> None:
        await eventually(lambda: any(text in line for _, line in self))
