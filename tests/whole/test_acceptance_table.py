"""docs/acceptance.md and the tests say the same: every check that the release must pass is there, and in a test's name."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "acceptance.md").read_text()

#: Those of the seeds' checks that are the release's.
CHECKS = {
    *(f"A{n}" for n in (*range(1, 15), 16, *range(27, 34), *range(37, 41))),
    *(f"B{n}" for n in range(1, 32)),
}
ROWS = re.findall(r"^\| ([AB]\d+) \| [^|]+ \| ([^|]+) \|$", PAGE, re.M)


def ids_in(file: Path) -> set[str]:
    names = re.findall(r"^(?:async )?def test_((?:[AB]\d+_)+)", file.read_text(), re.M)
    return {one for name in names for one in name.strip("_").split("_")}


def test_every_check_has_a_row() -> None:
    assert {check for check, _ in ROWS} == CHECKS


def test_each_file_that_a_row_names_has_a_test_that_bears_the_checks_id() -> None:
    for check, where in ROWS:
        for word in re.findall(r"(?:\w+/)?test_\w+|real/\w+", where):
            assert check in ids_in(file_of(word)), (check, word)


def file_of(word: str) -> Path:
    folder, _, name = word.rpartition("/")
    prefix = "" if name.startswith("test_") else "test_acceptance_"
    return TESTS / (folder or "whole") / f"{prefix}{name}.py"
