"""Several programs that start the daemon in the same moment: one daemon, and nobody is told that it is ill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.real.running import until
from tests.whole.program import Program

#: What a healthy daemon must not be called.
ACCUSATIONS = (
    "does not answer",
    "did not answer",
    "kill",
    "cannot start",
    "ended in the middle",
    "already in use",
)


@pytest.fixture
def kfw() -> Iterator[Program]:
    program = Program("/nonexistent")
    try:
        yield program
    finally:
        program.close()


def said_by(one: "subprocess.Popen[str]") -> tuple[int, str]:
    _, err = one.communicate(timeout=30)
    assert not any(word in err for word in ACCUSATIONS), err
    return one.returncode, err


def daemon_pid(kfw: Program) -> int:
    until(kfw.answers, 10, lambda: "a daemon answers")
    return kfw.daemon_pid()


@pytest.mark.parametrize("first", ["serve", "start"])
@pytest.mark.parametrize("later", [0.0, 0.05, 0.1, 0.2, 0.3, 0.5])
def test_serve_and_start_at_once(kfw: Program, first: str, later: float) -> None:
    """`start` finds the daemon, whoever began it; `serve` runs it, or names the one that runs."""
    serve = start = None
    for command in (first, "start" if first == "serve" else "serve"):
        if command == "serve":
            serve = kfw.popen("serve")
        else:
            start = kfw.popen("start")
        time.sleep(later)
    assert serve and start
    code, words = said_by(start)
    pid = daemon_pid(kfw)
    assert code == 0, words
    assert words in (f"started (pid {pid})\n", f"already running (pid {pid})\n")
    if serve.pid == pid:
        serve.send_signal(signal.SIGTERM)
        assert said_by(serve)[0] == 0
    else:
        code, words = said_by(serve)
        assert code == 1
        assert words.startswith(f"kfw: kfw is running already, pid {pid}\n")
        assert "`kfw stop` ends it" in words


@pytest.mark.parametrize("count", [2, 5])
def test_many_starts_at_once_start_one(kfw: Program, count: int) -> None:
    all_of_them = [kfw.popen("start") for _ in range(count)]
    said = [said_by(one) for one in all_of_them]
    assert {code for code, _ in said} == {0}
    assert sum(words.startswith("started") for _, words in said) == 1
    pid = daemon_pid(kfw)
    assert all(f"(pid {pid})" in words for _, words in said)


def test_of_two_serves_one_runs_and_the_other_names_it(kfw: Program) -> None:
    both = [kfw.popen("serve"), kfw.popen("serve")]
    pid = daemon_pid(kfw)
    loser = next(one for one in both if one.pid != pid)
    code, words = said_by(loser)
    assert code == 1
    assert words.startswith(f"kfw: kfw is running already, pid {pid}\n")
    next(one for one in both if one.pid == pid).send_signal(signal.SIGTERM)
    for one in both:
        one.communicate(timeout=20)


@pytest.mark.parametrize("how", ["stop", "term"])
def test_a_start_while_the_last_daemon_is_ending_starts_the_next(kfw: Program, how: str) -> None:
    kfw("start")
    before = kfw.daemon_pid()
    ending = kfw.popen("stop") if how == "stop" else None
    if how == "term":
        os.kill(before, signal.SIGTERM)
    for _ in range(3):
        code, words = said_by(kfw.popen("start"))
        assert code == 0, words
    if ending:
        ending.communicate(timeout=20)
        kfw("start")  # the stop may have met the next one
    assert daemon_pid(kfw) != before


def test_who_only_looks_at_the_lock_keeps_no_daemon_from_starting(kfw: Program) -> None:
    """`kfw stop` and `kfw start` look whether it is free, again and again."""
    kfw("start")
    kfw("stop")
    looking = (
        "import sys; from pathlib import Path; from kfw.system.files import is_locked\n"
        "while True: is_locked(Path(sys.argv[1]))"
    )
    looker = subprocess.Popen([sys.executable, "-c", looking, str(kfw.home / "run" / "kfw.lock")])
    try:
        for _ in range(5):
            done = kfw("start")
            assert done.stderr.startswith("started")
            kfw.kill_daemon()
    finally:
        looker.kill()
        looker.wait()
