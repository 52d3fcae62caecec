"""The commands over the real daemon, with a cluster that nobody can reach: starting, stopping, and what is left."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kfw import cli, client
from kfw.client.launch import wait_until_gone
from kfw.errors import DaemonNotRunning
from tests.cli.running import Done, kfw
from tests.commands.project import configure
from tests.real.talk import free_ports

pytestmark = pytest.mark.sandbox


@pytest.fixture
def folder(home: Path, project: Path) -> Iterator[Path]:
    """A project with one forward; no daemon is left behind."""
    configure(project, {"api": {"target": "service/api", "targetPort": 80, "localPort": free_ports(1)[0]}})
    yield project
    cli.run(["stop"])
    with pytest.raises(DaemonNotRunning):
        client.ping()


def _status() -> dict[str, Any]:
    return dict(json.loads(client.status_raw()))


def _up(folder: Path) -> Done:
    return kfw("up", "--timeout", "5s", cwd=folder)


def _kill_daemon() -> None:
    os.kill(_status()["daemon"]["pid"], signal.SIGKILL)
    wait_until_gone(5)


def test_an_unreachable_cluster_is_4_with_the_fix_and_the_row_stays(folder: Path) -> None:
    done = _up(folder)
    assert done.returncode == 4
    assert "cannot reach the API server https://127.0.0.1:1" in done.stdout
    assert "Traceback" not in done.stderr
    (row,) = _status()["forwards"]
    assert (row["status"], row["reason"]) == ("suspended", "cluster-unreachable")


def test_FR_CLI_start_and_stop_are_safe_to_repeat(folder: Path) -> None:
    said = [kfw(*argv, cwd=folder) for argv in (["start"], ["start"], ["stop"], ["stop"])]
    assert [done.returncode for done in said] == [0, 0, 0, 0]
    assert [done.stderr.split(" (")[0].strip() for done in said] == [
        "started",
        "already running",
        "stopped",
        "the daemon was not running",
    ]


def test_several_starts_at_the_same_time_start_one_daemon(folder: Path) -> None:
    argv = [sys.executable, "-m", "kfw", "start", "--json"]
    starts = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/") for _ in range(3)
    ]
    pids = {json.loads(start.communicate()[0])["pid"] for start in starts}
    assert len(pids) == 1
    assert [start.returncode for start in starts] == [0, 0, 0]


def test_a_second_daemon_is_refused_by_the_first(folder: Path) -> None:
    cli.run(["start"])
    done = kfw("serve", cwd=folder)
    assert done.returncode == 1
    assert done.stderr.startswith("kfw: kfw is running already, pid ")


def test_a_daemon_that_up_started_ends_with_its_last_forward(folder: Path) -> None:
    _up(folder)
    assert kfw("down", cwd=folder).stderr == "stopped: api\n"
    assert _up(folder).returncode == 4  # and the next one starts although the last is just ending


def test_a_daemon_of_start_stays_without_forwards(folder: Path) -> None:
    cli.run(["start"])
    _up(folder)
    cli.run(["down"])
    assert _status()["daemon"]["running"] is True


def test_A13_what_a_killed_daemon_had_up_comes_back(folder: Path) -> None:
    _up(folder)
    before = _status()["forwards"][0]["localPort"]
    _kill_daemon()
    assert cli.run(["status"]) == 3
    cli.run(["start"])
    assert [row["localPort"] for row in _status()["forwards"]] == [before]


def test_down_after_a_kill_leaves_nothing_to_come_back(folder: Path) -> None:
    _up(folder)
    _kill_daemon()
    assert kfw("down", cwd=folder).stderr == "stopped: api\n"
    cli.run(["start"])
    assert _status()["forwards"] == [] or _status()["forwards"][0]["status"] == "stopped"


def test_A12_term_ends_the_daemon_and_leaves_no_socket(folder: Path, home: Path) -> None:
    cli.run(["start"])
    os.kill(_status()["daemon"]["pid"], signal.SIGTERM)
    cli.run(["stop"])  # waits until it is gone
    assert not (home / "run" / "kfw.sock").exists()
    assert not (home / "run" / "kfw.pid").exists()


def test_the_daemon_carries_nothing_of_the_command_line(folder: Path) -> None:
    """What a fresh `kfw serve` has imported when its socket answers."""
    code = (
        "import sys, threading, time\n"
        "from kfw import cli, client\n"
        "def look():\n"
        "    from kfw.errors import KfwError\n"
        "    while True:\n"
        "        try: client.ping(); break\n"
        "        except KfwError: time.sleep(0.02)\n"
        "    print(sorted({'typer', 'rich', 'textual', 'docker', 'grpc', 'yaml'} & set(sys.modules)))\n"
        "    client.stop()\n"
        "threading.Thread(target=look).start()\n"
        "sys.exit(cli.run(['serve']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_an_unknown_name_is_2_in_every_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _up(folder)
    for verb in ("status", "down", "restart", "retry", "remove", "wait", "verify", "explain"):
        assert cli.run([verb, "nobody"]) == 2, verb
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("kfw: cannot find a forward named 'nobody'\n"), verb
        assert "api" in err
    assert _status()["forwards"][0]["status"] == "suspended"  # nothing was touched


def test_A40_up_in_the_foreground_ends_clean_with_ctrl_c(folder: Path) -> None:
    argv = [sys.executable, "-m", "kfw", "up", "--foreground"]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert child.stderr is not None
    said = child.stderr.readline()
    while "suspended" not in said:
        said = child.stderr.readline()
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, out) == (0, "")
    assert err.splitlines()[-1] == "forwards stopped"
    assert "Traceback" not in err
