"""`kfw demo` whole: sandbox, daemon, five forwards, pods ended under connections."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.commands.demo import forwards

pytestmark = pytest.mark.sandbox


@pytest.fixture
def home() -> Iterator[Path]:
    """Short, because the socket's path is in it; nothing is left behind."""
    with tempfile.TemporaryDirectory(prefix="kfw-") as name:
        yield Path(name)
        for words in (["stop"], ["sandbox", "stop"]):
            kfw(Path(name), *words)


def kfw(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KFW_HOME": str(home), "HOME": str(home), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "kfw", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_no_connection_fails_while_pods_are_ended_and_nothing_is_left(home: Path) -> None:
    done = kfw(home, "demo", "--json", "--for", "2s")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["failures"], told["reasons"]) == (0, [])
    assert told["connections"] > 20
    assert told["podsEnded"] >= 1
    assert [one["target"] for one in told["forwards"]] == [str(one.target) for one in forwards("x")]
    assert kfw(home, "sandbox", "status").returncode == 3
    assert "demo-" not in kfw(home, "status", "--json").stdout


def test_keep_leaves_all_of_it_up(home: Path) -> None:
    done = kfw(home, "demo", "--keep", "--for", "1s")
    assert done.returncode == 0, done.stderr
    assert "failed       0" in done.stdout
    assert kfw(home, "sandbox", "status").returncode == 0
    rows = json.loads(kfw(home, "status", "--json").stdout)["forwards"]
    assert {row["status"] for row in rows if row["name"].startswith("demo-")} == {"active"}
    again = kfw(home, "demo", "--for", "1s")
    assert again.returncode == 0
    assert kfw(home, "sandbox", "status").returncode == 0  # it was there before
