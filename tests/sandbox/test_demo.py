"""`kfw demo` whole: sandbox, daemon, five forwards, pods ended under connections."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.commands._demo import FIVE, by_each_way

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
    done = kfw(home, "demo", "--json", "--for", "1.2s", "--method", "tunnel")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["failures"], told["reasons"]) == (0, [])
    assert told["connections"] > 20
    assert told["podsEnded"] >= 1
    assert [one["target"] for one in told["forwards"]] == [f"service/{one.service}" for one in FIVE]
    assert {one["method"] for one in told["forwards"]} == set(told["byEachWayMs"]) == {"tunnel"}
    assert kfw(home, "sandbox", "status").returncode == 3
    assert "demo-" not in kfw(home, "status", "--json").stdout


def test_moment_33_keep_leaves_all_of_it_up_and_a_fault_is_taken_back(home: Path) -> None:
    done = kfw(home, "demo", "--keep", "--for", "0.5s")
    assert done.returncode == 0, done.stderr
    assert "failed       0" in done.stdout
    assert re.search(r"by each way  nodeport [\d.]+ ms, tunnel [\d.]+ ms", done.stdout)
    assert kfw(home, "sandbox", "status").returncode == 0
    rows = json.loads(kfw(home, "status", "--json").stdout)["forwards"]
    assert {row["name"]: row["status"] for row in rows} == {f"demo-{one.service}": "active" for one in FIVE}
    again = kfw(home, "demo", "--for", "0.6s", "--method", "nodeport", "--fault", "expired-watches")
    assert again.returncode == 0, again.stderr
    assert "fault: expired-watches, for 0.2 s" in again.stderr
    status = kfw(home, "sandbox", "status", "--json")
    assert status.returncode == 0  # it was there before
    assert json.loads(status.stdout)["faults"] == []


def test_a_method_that_nobody_knows_is_refused_before_anything_starts(home: Path) -> None:
    done = kfw(home, "demo", "--method", "pigeon")
    assert done.returncode == 2
    assert "unknown method 'pigeon'" in done.stderr
    assert "unknown fault 'fire'" in kfw(home, "demo", "--fault", "fire").stderr
    assert kfw(home, "sandbox", "status").returncode == 3


def test_every_way_is_shown_whose_tool_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda tool: "/bin/x" if tool == "socat" else None)
    assert list(by_each_way("x", None)) == ["nodeport", "tunnel", "socat"]
    assert list(by_each_way("x", "auto")) == ["nodeport", "tunnel", "socat"]
    assert list(by_each_way("x", "tunnel")) == ["tunnel"]
