"""The scripts find their own folder whatever CDPATH says, through symlinks, and from folders with blanks in their names."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scripts.conftest import ROOT, Machine

WITH_HELP = [
    *(f"quick-start/{name}.sh" for name in ("bootstrap", "port-forward", "stop-port-forward", "uninstall")),
    "quick-start/start-colima.sh",
    "scripts/image.sh",
    "scripts/image-base.sh",
    "scripts/bare-machine.sh",
    *(f"scripts/{name}.sh" for name in ("deb", "homebrew", "onefile", "site")),
]


@pytest.fixture
def decoys(tmp_path: Path) -> str:
    """A CDPATH with folders of the same names, in which `cd` ends up if it heeds it."""
    decoys = tmp_path / "decoys"
    for folder in ("quick-start", "scripts"):
        (decoys / folder).mkdir(parents=True)
    return str(decoys)


def run(argv: list[str], machine: Machine, where: Path, **env: str) -> subprocess.CompletedProcess[str]:
    own = {"PATH": os.environ["PATH"], "HOME": str(machine.home), "VENV": str(machine.venv), "LC_ALL": "C"}
    return subprocess.run(
        argv, env={**own, **env}, cwd=where, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("script", WITH_HELP)
def test_cdpath_leads_no_script_astray(machine: Machine, decoys: str, script: str) -> None:
    done = run(["sh", script, "--help"], machine, ROOT, CDPATH=f"{decoys}:.")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {script}")


@pytest.mark.parametrize("script", WITH_HELP)
@pytest.mark.parametrize("relative", [True, False])
def test_a_symlink_leads_to_the_script(machine: Machine, script: str, relative: bool) -> None:
    links = machine.folder / "bin of mine"
    links.mkdir()
    target = os.path.relpath(ROOT / script, links) if relative else ROOT / script
    (links / "first").symlink_to(target)
    (links / "second").symlink_to("first")
    for called in (["sh", "second"], [str(links / "second")]):
        done = run([*called, "--help"], machine, links)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: {script}")


@pytest.mark.parametrize("way", ["CDPATH", "symlink", "both"])
def test_what_is_handed_to_kfw_is_of_the_real_folder(machine: Machine, decoys: str, way: str) -> None:
    machine.installed('printf "%s\\n" "$KFW_QUICK_START"')
    called, where = "quick-start/stop-port-forward.sh", ROOT
    if way != "CDPATH":
        called, where = "stop", machine.folder
        (where / "stop").symlink_to(ROOT / "quick-start/stop-port-forward.sh")
    done = run(["sh", called], machine, where, **({} if way == "symlink" else {"CDPATH": f"{decoys}:."}))
    assert (done.returncode, done.stdout) == (0, f"{ROOT / 'quick-start'}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize("linked", [True, False])
def test_sourced_helpers_know_their_folder(machine: Machine, decoys: str, shell: str, linked: bool) -> None:
    if (found := shutil.which(shell)) is None:
        pytest.skip(f"there is no {shell} here")
    source = "quick-start/install-helpers.sh"
    if linked:
        (machine.folder / "mine.sh").symlink_to(ROOT / source)
        source = str(machine.folder / "mine.sh")
    line = f'. {source} && printf "%s\\n" "$QUICK_START"'
    done = run([found, "-c", line], machine, ROOT, CDPATH=f"{decoys}:.")
    assert (done.stdout, done.stderr) == (f"{ROOT / 'quick-start'}\n", "")


def test_setup_makes_its_venv_beside_the_makefile(machine: Machine, decoys: str) -> None:
    """With a stub for the interpreter of .venv: what is installed is this folder."""
    python = machine.venv / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "%s " "$@"\n')
    python.chmod(0o755)
    done = run(["sh", "scripts/setup.sh"], machine, ROOT, CDPATH=f"{decoys}:.")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(f"--editable {ROOT}")
