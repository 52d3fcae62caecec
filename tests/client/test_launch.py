"""Starting the daemon: what happens when it cannot."""

import os
import sys
from pathlib import Path

import pytest

from kfw import paths
from kfw.client import launch
from kfw.errors import KfwError, TimedOut
from tests.client.fake_daemon import FakeDaemon


def python(code: str) -> list[str]:
    return ["-c", code]


def test_a_running_daemon_is_not_started_again(daemon: FakeDaemon) -> None:
    info, started = launch.ensure_daemon(on_demand=True)
    assert (info.pid, started) == (4711, False)


def test_a_daemon_that_dies_at_once_says_why(home: Path) -> None:
    with pytest.raises(KfwError) as caught:
        launch._start(python("import sys; sys.exit('kfw: cannot write the log: No space left on device')"), 5)
    assert caught.value.what == "cannot start the daemon: cannot write the log: No space left on device"
    assert "kfw logs" in caught.value.fix


def test_a_daemon_that_dies_without_a_word_has_a_code(home: Path) -> None:
    with pytest.raises(KfwError, match="it ended with code 3"):
        launch._start(python("raise SystemExit(3)"), 5)


def test_a_daemon_that_never_answers_is_ended(home: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"import os, time, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    with pytest.raises(TimedOut, match="did not answer within"):
        launch._start(python(code), 0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_the_daemon_has_a_session_of_its_own_and_no_terminal(home: Path) -> None:
    code = "import os, sys; sys.exit(f'kfw: {os.getsid(0) == os.getpid()} {sys.stdin.read()!r}')"
    with pytest.raises(KfwError, match="True ''"):
        launch._start(python(code), 5)


def test_what_it_runs_is_this_kfw_of_this_python(home: Path) -> None:
    with pytest.raises(KfwError) as caught:
        launch._start(python("import sys, kfw; sys.exit(f'kfw: {sys.executable} {kfw.__file__}')"), 5)
    import kfw

    assert caught.value.what.endswith(f"{sys.executable} {kfw.__file__}")


def test_the_folders_are_closed_to_others(home: Path) -> None:
    with pytest.raises(KfwError):
        launch.ensure_daemon(on_demand=True, log_level="nonsense")
    assert paths.runtime_dir().stat().st_mode & 0o777 == 0o700
    assert paths.state_dir().stat().st_mode & 0o777 == 0o700


def test_a_daemon_that_runs_without_its_socket_is_named(home: Path) -> None:
    """Somebody removed the socket: starting a second one would fight for the ports."""
    from kfw.system.files import lock

    paths.runtime_dir().mkdir(parents=True)
    with lock(paths.pid_file().with_suffix(".lock")), pytest.raises(KfwError, match=str(os.getpid())):
        launch.ensure_daemon(on_demand=True, limit=0.2)


def test_two_at_the_same_time_wait_for_each_other(home: Path) -> None:
    """The second finds the daemon that the first has started: here it is there when the lock is free."""
    import threading
    import time

    from kfw.system.files import lock

    paths.runtime_dir().mkdir(parents=True)
    found: list[bool] = []
    with lock(paths.runtime_dir() / "start.lock"):
        second = threading.Thread(
            target=lambda: found.append(launch.ensure_daemon(on_demand=True, limit=5)[1])
        )
        second.start()
        time.sleep(0.1)
        fake = FakeDaemon(paths.socket_path())
    second.join(5)
    fake.close()
    assert found == [False]
