import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kfw.system import process_identity
from kfw.system.process_identity import MARKER, SeenProcess, everybody, look, parse_ps

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, MARKER: "abc"}, start_new_session=True)
    yield child
    child.kill()
    child.wait()


@linux
def test_a_process_is_seen_with_its_group_arguments_and_marker(sleeper: subprocess.Popen[bytes]):
    seen = look(sleeper.pid)
    assert seen is not None
    assert (seen.pid, seen.group, seen.command, seen.marker) == (sleeper.pid, sleeper.pid, "sleep 60", "abc")
    assert look(sleeper.pid) == seen
    assert seen in list(everybody())


@linux
def test_start_times_differ_between_processes_and_hold_the_boot(sleeper: subprocess.Popen[bytes]):
    seen, init = look(sleeper.pid), look(1)
    assert seen and init and seen.start != init.start
    assert "/" in seen.start
    assert len(seen.start.split("/")[0]) == 36


@linux
def test_a_name_with_brackets_and_blanks_does_not_confuse(tmp_path):
    odd = tmp_path / "a) b (c"
    odd.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(odd), "60"], start_new_session=True)
    try:
        seen = look(child.pid)
        assert seen and seen.group == child.pid
    finally:
        child.kill()
        child.wait()


@linux
def test_a_zombie_and_a_pid_that_nobody_has_are_nobody():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert look(child.pid) is None
    child.wait()
    assert look(child.pid) is None


def test_we_are_not_among_everybody():
    assert os.getpid() not in {seen.pid for seen in everybody()}


@linux
def test_a_process_without_our_marker_has_an_empty_one():
    child = subprocess.Popen(["sleep", "60"], env={})
    try:
        seen = look(child.pid)
        assert seen and seen.marker == ""
    finally:
        child.kill()
        child.wait()


def test_a_line_of_ps_is_read():
    line = "   41    40 Ss   Fri Nov 21 07:39:50 2025 socat -d TCP-LISTEN:80,fork TCP:a:1\n"
    assert parse_ps(line) == SeenProcess(
        41, 40, "Fri Nov 21 07:39:50 2025", "socat -d TCP-LISTEN:80,fork TCP:a:1", None
    )
    assert parse_ps("   41    40 Z    Fri Nov 21 07:39:50 2025 (socat)") is None
    assert parse_ps("") is None


@pytest.mark.skipif(not shutil.which("ps"), reason="no ps here; only macOS needs it")
def test_what_macOS_uses_sees_the_same(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    seen = {one.pid: one for one in process_identity._ps()}[sleeper.pid]
    assert (seen.group, seen.command, seen.marker) == (sleeper.pid, "sleep 60", None)
    monkeypatch.setenv("TZ", "America/Lima")
    assert {one.pid: one for one in process_identity._ps()}[sleeper.pid] == seen
