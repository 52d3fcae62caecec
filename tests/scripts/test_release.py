"""scripts/release.sh and scripts/install-hooks.sh in a clone of what is committed, with the real git and tools."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts.conftest import ROOT

Done = subprocess.CompletedProcess[str]
VERSION = "9.8.7"


class Clone:
    """A repository of kfw's packaging with one small module, as the whole tree takes long to build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "kfw").mkdir(parents=True)
        (folder / "kfw" / "__init__.py").write_text(f'__version__ = "{VERSION}"\n')
        shutil.copytree(ROOT / "scripts", folder / "scripts")
        for name in ("LICENSE", ".gitignore"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "README.md").write_text("# kfw\n")
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "kfw-cli"\nversion = "{VERSION}"\nrequires-python = ">=3.11"\n'
            '[tool.hatch.build.targets.wheel]\npackages = ["kfw"]\n'
        )
        (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n## {VERSION}\n\n- It is there.\n")
        (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
        with (folder / ".gitignore").open("a") as file:
            file.write(".venv\n")
        self.git("init", "-q", "-b", "main")
        self.commit("one")

    def run(self, *argv: str) -> Done:
        own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(self.folder.parent)}
        own |= {f"GIT_{who}_{what}": "x@y.z" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "VENV"))}
        return subprocess.run(
            argv, cwd=self.folder, env=kept | own, capture_output=True, text=True, check=False
        )

    def git(self, *words: str) -> str:
        done = self.run("git", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self, message: str) -> Done:
        self.git("add", "-A")
        return self.run("git", "commit", "-q", "-m", message)

    def release(self, *words: str) -> Done:
        return self.run("scripts/release.sh", *words)


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    yield Clone(tmp_path / "clone")


def test_K38_a_release_is_built_twice_summed_and_tagged(clone: Clone) -> None:
    done = clone.release(VERSION, "--dry-run")
    assert done.returncode == 0, done.stderr
    out = clone.folder / "build" / "release" / VERSION
    names = {line.split("  ")[1] for line in (out / "SHA256SUMS").read_text().splitlines()}
    assert names == {
        f"kfw_cli-{VERSION}-py3-none-any.whl",
        f"kfw_cli-{VERSION}.tar.gz",
        f"kfw-{VERSION}.spdx.json",
    }
    assert done.stdout == (out / "SHA256SUMS").read_text()
    bom = json.loads((out / f"kfw-{VERSION}.spdx.json").read_text())
    versions = {one["name"]: one["versionInfo"] for one in bom["packages"]}
    assert versions["kfw-cli"] == VERSION
    assert {"typer", "msgspec", "h11", "urllib3"} <= versions.keys()
    assert "pytest" not in versions
    assert clone.git("tag") == ""
    assert clone.release(VERSION, "--notes").stdout == "- It is there.\n"
    first = done.stdout
    assert clone.release(VERSION).stdout == first  # the same commit is the same bytes
    assert clone.git("tag") == f"v{VERSION}\n"
    again = clone.release(VERSION)
    assert again.returncode == 1
    assert f"there is a tag v{VERSION} already" in again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1.0"], "write X.Y.Z"),
        (["v1.0.0"], "write X.Y.Z"),
        (["01.0.0"], "write X.Y.Z"),
        (["1.0.0-rc1"], "write X.Y.Z"),
        ([], "which version"),
        (["1.0.0", "2.0.0"], "one version"),
        (["--what"], "unknown option"),
    ],
)
def test_K38_what_is_no_version_is_bad_usage(clone: Clone, words: list[str], said: str) -> None:
    done = clone.release(*words)
    assert done.returncode == 2
    assert said in done.stderr


def test_K38_a_dirty_tree_another_version_and_missing_notes_are_refused(clone: Clone) -> None:
    (clone.folder / "new").write_text("x")
    assert "the checkout has changes" in clone.release(VERSION, "--dry-run").stderr
    (clone.folder / "new").unlink()
    assert "pyproject.toml is of another version than 9.9.9" in clone.release("9.9.9", "--dry-run").stderr
    notes = clone.folder / "CHANGELOG.md"
    notes.write_text(notes.read_text().replace(f"## {VERSION}", f"## {VERSION} (not released yet)"))
    clone.commit("two")
    assert f"no section '## {VERSION}'" in clone.release(VERSION, "--dry-run").stderr
    assert not (clone.folder / "build").exists()


def test_K38_a_tag_of_origin_counts_as_well(clone: Clone, tmp_path: Path) -> None:
    clone.git("clone", "-q", "--bare", ".", str(tmp_path / "origin"))
    clone.git("remote", "add", "origin", str(tmp_path / "origin"))
    clone.git("tag", f"v{VERSION}")
    clone.git("push", "-q", "origin", f"v{VERSION}")
    clone.git("tag", "-d", f"v{VERSION}")
    assert f"origin has a tag v{VERSION} already" in clone.release(VERSION, "--dry-run").stderr


# -- hooks


def test_K38_a_commit_is_formatted_and_what_is_wrong_is_refused(clone: Clone) -> None:
    assert clone.run("scripts/install-hooks.sh").returncode == 0
    file = clone.folder / "kfw" / "a.py"
    file.write_text("x = {  'a':1 }\n")
    assert clone.commit("formatted").returncode == 0
    assert clone.git("show", "HEAD:kfw/a.py") == 'x = {"a": 1}\n'
    assert clone.git("status", "--porcelain") == ""
    file.write_text("import os\n")
    assert clone.commit("unused").returncode != 0
    file.write_text('x = {"a": 2}\n')
    script = clone.folder / "scripts" / "bad.sh"
    script.write_text("#!/bin/sh\necho $1\n")
    refused = clone.commit("unquoted")
    assert refused.returncode != 0
    assert "SC2086" in refused.stdout + refused.stderr


def test_K38_what_is_staged_in_part_stays_so(clone: Clone) -> None:
    clone.run("scripts/install-hooks.sh")
    file = clone.folder / "kfw" / "a.py"
    file.write_text("x = 1\n")
    clone.git("add", "-A")
    file.write_text("x = 1\ny  =  2\n")
    assert clone.run("git", "commit", "-q", "-m", "part").returncode == 0
    assert clone.git("show", "HEAD:kfw/a.py") == "x = 1\n"
    assert file.read_text() == "x = 1\ny  =  2\n"


def test_K38_a_hook_of_another_stays_and_ours_can_be_removed(clone: Clone) -> None:
    hooks = clone.folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "pre-push").write_text("#!/bin/sh\n# mine\n")
    said = clone.run("scripts/install-hooks.sh").stderr
    assert "is not ours and stays" in said
    assert (hooks / "pre-commit").stat().st_mode & 0o100
    assert "removed" in clone.run("scripts/install-hooks.sh", "--remove").stderr
    assert not (hooks / "pre-commit").exists()
    assert (hooks / "pre-push").read_text() == "#!/bin/sh\n# mine\n"
