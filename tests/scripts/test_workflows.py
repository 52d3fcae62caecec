""".github/workflows: what they run is here, with no more rights than it needs, and make check looks at them with actionlint
where that is installed."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.scripts.conftest import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
#: Programs of the machines that run them, by their first word.
PROGRAMS = {"sudo apt-get", "git push", "gh release", "diff -r"}


def loaded(file: Path) -> dict[str, Any]:
    """All words as they are written: `on` is a word, and no boolean."""
    found: dict[str, Any] = yaml.load(file.read_text(), yaml.BaseLoader)
    return found


def steps(file: Path) -> Iterator[dict[str, Any]]:
    for job in loaded(file)["jobs"].values():
        yield from job["steps"]


RUNS = [(file, step["run"]) for file in FILES for step in steps(file) if "run" in step]


def test_there_is_one_for_tests_and_one_for_releases() -> None:
    assert [file.name for file in FILES] == ["release.yml", "test.yml"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_may_write_but_who_publishes(file: Path) -> None:
    said = loaded(file)
    assert said["permissions"] == {"contents": "read"}
    rights = {name: job["permissions"] for name, job in said["jobs"].items() if "permissions" in job}
    assert rights == ({"publish": {"contents": "write"}} if file.name == "release.yml" else {})
    assert all(int(job["timeout-minutes"]) <= 90 for job in said["jobs"].values())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_are_of_github_and_pinned_to_a_version(file: Path) -> None:
    used = [step["uses"] for step in steps(file) if "uses" in step]
    assert used
    assert [one for one in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", one)] == []


@pytest.mark.parametrize(("file", "run"), RUNS, ids=[run[:40] for _, run in RUNS])
def test_what_a_step_runs_is_in_this_checkout(file: Path, run: str) -> None:
    """An expression in a line would be a way to run something else: values come by the environment."""
    assert "${{" not in run
    assert "://" not in run
    subprocess.run(["bash", "-n", "-c", run], check=True)
    words = run.split()
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M), words[1]
    elif words[0].startswith("scripts/"):
        assert os.access(ROOT / words[0], os.X_OK), words[0]
        known = (ROOT / words[0]).read_text()
        assert [word for word in words[1:] if word.startswith("--") and f"\t{word})" not in known] == []
    else:
        assert " ".join(words[:2]) in PROGRAMS


def test_a_release_is_published_only_when_it_is_what_was_tried() -> None:
    jobs = loaded(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["if"] == "inputs.publish"
    lines = [step.get("run", "") for step in jobs["publish"]["steps"]]
    (compared,) = (number for number, line in enumerate(lines) if line.startswith("diff "))
    (pushed,) = (number for number, line in enumerate(lines) if line.startswith("git push"))
    assert compared < pushed
    built = [step.get("run", "") for step in jobs["build"]["steps"]]
    assert 'scripts/release.sh "$VERSION" --dry-run' in built
    assert {"make check"} < set(built)


def test_the_pythons_are_those_that_kfw_supports() -> None:
    matrix = loaded(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]
    said = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert matrix["python"] == said
