"""`kfw sandbox` as people run it: a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.errors import KfwError
from kfw.sandbox import process
from kfw.sandbox.load_test import Remote
from kfw.system import process_identity
from tests.stopwatch import in_time

pytestmark = pytest.mark.sandbox


@pytest.fixture
def home(tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("KFW_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    shutil.copytree(certificates, directory(tmp_path))
    yield tmp_path
    process.stop(directory(tmp_path))


def directory(home: Path) -> Path:
    return home / "state" / "sandbox"


def kfw(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kfw", "sandbox", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_start_prints_the_kubeconfig_and_stays_and_twice_is_harmless(home: Path) -> None:
    began = time.monotonic()
    first = kfw("start")
    assert in_time(time.monotonic() - began, 6)  # below 1 on an idle machine, but tests run beside others
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{directory(home)}/kubeconfig\n"
    assert first.stderr.startswith("sandbox started (pid ")
    second = kfw("start")
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert second.stderr.startswith("sandbox already running (pid ")


def test_start_detaches_and_stop_ends_it_and_stop_twice_is_harmless(home: Path) -> None:
    kfw("start")
    record = process.running(directory(home))
    assert record is not None
    assert os.getsid(record.pid) == record.pid
    stopped = kfw("stop")
    assert (stopped.returncode, stopped.stderr) == (0, f"sandbox stopped (pid {record.pid})\n")
    assert process_identity.look(record.pid) is None
    again = kfw("stop")
    assert (again.returncode, again.stderr) == (0, "the sandbox is not running\n")


def test_status_says_where_it_is_and_has_code_3_when_it_is_not(home: Path) -> None:
    idle = kfw("status", "--json")
    assert idle.returncode == 3
    assert json.loads(idle.stdout) == {"running": False, "directory": str(directory(home))}
    assert kfw("kubeconfig").returncode == 3
    kfw("start")
    told = json.loads(kfw("status", "--json").stdout)
    assert told["running"]
    assert set(told["nodes"]) == {"sandbox-control-plane", "sandbox-worker"}
    assert kfw("kubeconfig").stdout.strip() == told["kubeconfig"]
    assert told["url"] in kfw("status").stdout


def test_a_restart_keeps_the_port_the_nodes_and_the_certificates(home: Path) -> None:
    first, _ = process.start(directory(home))
    before = Path(first.kubeconfig).read_text()
    process.stop(directory(home))
    second, started = process.start(directory(home))
    assert started
    assert (second.url, second.nodes) == (first.url, first.nodes)
    assert Path(second.kubeconfig).read_text() == before


def test_nobody_else_can_read_its_files_and_the_users_kubeconfig_is_left_alone(home: Path) -> None:
    process.start(directory(home))
    assert directory(home).stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory(home).iterdir()} == {0o600}
    assert not (home / "home").exists()


def test_stop_never_touches_a_process_that_only_has_its_pid(home: Path) -> None:
    record, _ = process.start(directory(home))
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        told = json.loads((directory(home) / "sandbox.json").read_text())
        (directory(home) / "sandbox.json").write_text(json.dumps({**told, "pid": stranger.pid}))
        assert process.stop(directory(home)) is None
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        os.kill(record.pid, signal.SIGTERM)


def test_a_killed_sandbox_leaves_nothing_that_keeps_the_next_from_starting(home: Path) -> None:
    first, _ = process.start(directory(home))
    os.kill(first.pid, signal.SIGKILL)
    while process_identity.look(first.pid):
        time.sleep(0.01)
    assert process.running(directory(home)) is None
    second, started = process.start(directory(home))
    assert started
    assert second.pid != first.pid


def test_a_second_process_in_the_same_directory_is_refused_with_the_first_ones_pid(home: Path) -> None:
    record, _ = process.start(directory(home))
    done = subprocess.run(
        [sys.executable, "-m", "kfw.sandbox", str(directory(home))],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert f"already in use by pid {record.pid}" in done.stderr


def test_it_is_small_and_idle(home: Path) -> None:
    record, _ = process.start(directory(home))
    status = Path(f"/proc/{record.pid}/status")
    if not status.exists():
        pytest.skip("no /proc here to read its memory from")
    resident = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 60 * 1024
    before = _ticks(record.pid)
    time.sleep(0.2)
    assert _ticks(record.pid) - before <= 1


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_in_the_foreground_it_ends_with_ctrl_c(home: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "kfw", "sandbox", "start", "--foreground"], stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    try:
        assert str(directory(home) / "kubeconfig") in child.stderr.readline()
        deadline = time.monotonic() + 10
        while (record := process.running(directory(home))) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert record is not None
        assert record.pid == child.pid
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 0
        assert child.stderr.read() == ""
    finally:
        child.kill()
        child.wait()
        child.stderr.close()


def test_faults_are_listed_begun_and_ended_from_outside(home: Path) -> None:
    assert kfw("fault", "silent", "on").returncode == 3  # it does not run
    process.start(directory(home))
    done = kfw("fault", "expired-login", "on")
    assert (done.returncode, done.stderr) == (0, "faults now: expired-login\n")
    record = process.running(directory(home))
    assert record is not None
    assert record.faults == ("expired-login",)
    with pytest.raises(KfwError, match="Unauthorized"):
        Remote(record.url, directory(home)).ready_pods("demo", "web")
    listed = kfw("fault").stdout.splitlines()
    assert [line.split()[:2] for line in listed if line.split()[1] == "on"] == [["expired-login", "on"]]
    assert json.loads(kfw("fault", "expired-login", "off", "--json").stdout) == {"faults": []}
    assert len(Remote(record.url, directory(home)).ready_pods("demo", "web")) == 3


def test_an_unknown_fault_is_told_with_those_that_are_known(home: Path) -> None:
    done = kfw("fault", "fire", "on")
    assert done.returncode == 2
    assert "unknown fault 'fire'" in done.stderr
    assert "silent, silent-tunnels, slow" in done.stderr
    assert kfw("fault", "silent").returncode == 2
