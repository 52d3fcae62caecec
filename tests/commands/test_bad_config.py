"""A config with mistakes, as a user meets it: `kfw up` says all of them with their places, and starts nothing.

The rows are those that tests/config/test_problems.py has; here they go through the whole command line.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kfw import cli
from tests.config.test_problems import FORWARD, blocks

Captured = pytest.CaptureFixture[str]

ROWS = [
    *blocks("bad_files.txt"),
    *((FORWARD + line, [f"5:{each}" for each in said]) for line, said in blocks("bad_lines.txt")),
]


def check(code: int, out: str, err: str, said: list[str]) -> None:
    first, *lines = err.splitlines()
    assert code == 2
    assert out == ""
    assert first.startswith("kfw: the configuration has ")
    assert lines == [f"kfw.yaml:{each}" for each in said]


@pytest.fixture(autouse=True)
def _only_for_the_user_to_write(project: Path) -> None:
    (project / "kfw.yaml").touch(0o644)


@pytest.mark.parametrize(("text", "said"), ROWS)
def test_up_says_every_mistake_with_its_place_and_starts_nothing(
    project: Path, home: Path, text: str, said: list[str], capsys: Captured
) -> None:
    (project / "kfw.yaml").write_text(text)
    code = cli.run(["up"])
    check(code, *capsys.readouterr(), said)
    assert not (home / "run").exists()  # no daemon was started


def test_the_rows_that_name_a_key_by_its_path_are_many() -> None:
    tops = (" portForwards", " profiles", " defaults", " daemon")
    assert sum(any(top in each for top in tops for each in said) for _, said in ROWS) > 150


@pytest.mark.parametrize("number", range(0, len(ROWS), len(ROWS) // 4))
def test_the_program_itself_does_the_same(project: Path, home: Path, number: int) -> None:
    text, said = ROWS[number]
    (project / "kfw.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "kfw", "up"],
        cwd=project,
        env={**os.environ, "KFW_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    check(done.returncode, done.stdout, done.stderr, said)
    assert not (home / "run").exists()
