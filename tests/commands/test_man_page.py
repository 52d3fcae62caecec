"""docs/kfw.1, which the wheel and the packages install."""

import re
import shutil
import subprocess

import pytest

from kfw.commands._group import COMMANDS
from tests.commands.man_page import MAN_PAGE, page

COMMITTED = MAN_PAGE.read_text(encoding="utf-8")


def test_the_committed_page_is_the_one_that_help_gives() -> None:
    """`python -m tests.commands.man_page` writes it again."""
    assert page() == COMMITTED


def test_every_command_has_a_section_and_every_exit_code_a_line() -> None:
    sections = set(re.findall(r"^\.SS kfw ([a-z\\-]+)", COMMITTED, re.M))
    assert {name.replace("\\-", "-") for name in sections} == set(COMMANDS)
    status = COMMITTED.partition(".SH EXIT STATUS")[2]
    assert re.findall(r"^\.B (\d+)$", status, re.M) == [*map(str, range(9)), "130"]


def test_groff_reads_it_without_a_warning() -> None:
    if not shutil.which("groff"):
        pytest.skip("no groff")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-z", MAN_PAGE],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
