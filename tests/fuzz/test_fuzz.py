"""The areas hold for a few seeds that are always the same; and the runner notices what it is there to notice."""

import re
import subprocess
import sys

import pytest

from tests.fuzz.area import Case, Mark, kind_of
from tests.fuzz.areas import AREAS
from tests.real.rig import ROOT

#: So many cases of each area: on an idle machine they take some 10 s together.
CASES = {"kubeconfig": 30, "config": 30, "state": 10, "plugin": 5, "api": 1, "tunnel": 3, "control": 2}


def fuzz(*arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "tests.fuzz", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("area", AREAS)
def test_nothing_is_found_with_these_seeds(area: str) -> None:
    done = fuzz("--area", area, "--seed", "1", "--cases", str(CASES[area]), "--seconds", "20")
    assert done.returncode == 0, done.stderr + done.stdout


def test_a_failure_is_told_with_its_seed_and_how_to_do_it_again_and_the_run_goes_on() -> None:
    done = fuzz("--area", "planted-failure", "--seed", "40", "--cases", "4")
    assert done.returncode == 1
    assert "seed 40\n" in done.stderr
    assert "make fuzz ARGS='--area planted-failure --seed 41 --cases 1'" in done.stderr
    assert done.stderr.count("FOUND") == 1, "each kind is told once"
    assert re.search(r"planted-failure +4 +2 ", done.stdout), "and counted"


def test_what_is_told_to_be_done_again_does_it_again() -> None:
    done = fuzz("--area", "planted-failure", "--seed", "41", "--cases", "1")
    assert done.returncode == 1
    assert "planted: an odd seed, 41" in done.stderr


def test_any_exception_is_a_finding_and_says_where_it_came_from() -> None:
    done = fuzz("--area", "planted-crash", "--seed", "1", "--cases", "2")
    assert done.returncode == 1
    assert "ZeroDivisionError: planted" in done.stderr
    assert "planted.py" in done.stderr


def test_a_hang_ends_the_run_with_the_seed_and_all_stacks() -> None:
    done = fuzz("--area", "planted-hang", "--seed", "2", "--cases", "5")
    assert done.returncode == 3
    assert "HANG: area planted-hang, seed 3, again with: make fuzz ARGS='--area planted-hang" in done.stderr
    assert "planted.py" in done.stderr.partition("HANG")[2]


def test_a_hang_that_lets_no_thread_run_is_told_with_its_seed() -> None:
    done = fuzz("--area", "planted-hang-in-c", "--seed", "2", "--cases", "5")
    assert done.returncode == 4
    assert "in area planted-hang-in-c, seed 3, again with: make fuzz ARGS=" in done.stderr
    assert "planted.py" in done.stderr, "the stacks are told, too"


def test_a_case_that_waits_for_ever_is_a_finding_and_the_run_goes_on() -> None:
    done = fuzz("--area", "planted-wait", "--seed", "2", "--cases", "2")
    assert done.returncode == 1
    assert "has not ended within 0.5 s" in done.stderr
    assert re.search(r"planted-wait +2 +1 ", done.stdout)


def test_a_process_that_falls_over_is_told_with_its_seed() -> None:
    done = fuzz("--area", "planted-fall", "--seed", "2", "--cases", "5")
    assert done.returncode == 4
    assert "CRASH: the process ended with -11 in area planted-fall, seed 3" in done.stderr


def test_a_secret_that_is_shown_is_a_finding_that_does_not_show_it() -> None:
    done = fuzz("--area", "planted-leak", "--seed", "7", "--cases", "1")
    assert done.returncode == 1
    assert "a secret is in an error" in done.stderr
    assert str(Mark(7)) not in done.stderr


def test_a_secret_in_the_log_is_a_finding() -> None:
    done = fuzz("--area", "planted-log", "--seed", "7", "--cases", "1")
    assert done.returncode == 1
    assert "a secret is in the log" in done.stderr


def test_an_error_that_nobody_caught_is_a_finding() -> None:
    done = fuzz("--area", "planted-task", "--seed", "7", "--cases", "1")
    assert done.returncode == 1
    assert "nobody caught it: Task exception was never retrieved: ZeroDivisionError" in done.stderr


def test_memory_that_stays_is_a_finding() -> None:
    done = fuzz("--area", "planted-growth", "--seed", "1", "--cases", "40")
    assert done.returncode == 1
    assert "area planted-growth keeps memory" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "token {mark} is not valid",
        "eyJ{mark}x.y",
        "https://joe:{quoted}@host",
        "Authorization: Basic {b64}",
        "{b64_later}",
    ],
)
def test_a_mark_is_found_however_it_is_written(text: str) -> None:
    from base64 import b64encode

    mark = Mark(12345)
    spelled = {
        "mark": str(mark),
        "quoted": "".join(f"%{ord(letter):02x}" for letter in str(mark)),
        "b64": b64encode(f"joe:{mark}".encode()).decode(),
        "b64_later": b64encode(f"a longer name:{mark} and more".encode()).decode(),
    }
    assert mark.shown(text.format(**spelled))
    assert not mark.shown("nothing of it")


def test_the_same_seed_draws_the_same(tmp_path: object) -> None:
    from pathlib import Path

    from tests.fuzz.kubeconfig import _text
    from tests.fuzz.plugin import _steps

    one, other = (Case(99, Path("/same")) for _ in range(2))
    assert (_text(one), _steps(one)) == (_text(other), _steps(other))


def test_kinds_of_findings_do_not_differ_by_numbers_and_paths() -> None:
    assert kind_of("cannot read /tmp/a/b: 12 bytes") == kind_of("cannot read /tmp/c: 9 bytes\nmore")
