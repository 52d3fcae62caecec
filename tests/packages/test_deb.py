"""scripts/deb.sh: the Debian package, and kfw as it runs from it."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kfw
from tests.other_user import ROOT
from tests.packages.building import bare_environment, run

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
SYSTEM_PYTHON = Path(f"/usr/bin/python{MINOR}")

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(
        not (shutil.which("dpkg-deb") and SYSTEM_PYTHON.exists()),
        reason=f"only a Debian with Python {MINOR} can make and run its package",
    ),
]


@pytest.fixture(scope="module")
def package(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deb")
    env = {**bare_environment(folder), "WHEELS": str(wheels), "BUILD": str(folder), "PYTHON": sys.executable}
    return Path(run(ROOT / "scripts/deb.sh", folder, env=env).stdout.strip())


@pytest.fixture(scope="module")
def root(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files, below a folder that stands for /."""
    folder = tmp_path_factory.mktemp("root")
    run("dpkg-deb", "--extract", package, folder)
    return folder


def field(package: Path, name: str) -> str:
    return run("dpkg-deb", "--field", package, name).stdout.strip()


def test_it_is_of_this_architecture_and_for_the_python_that_it_was_made_with(package: Path) -> None:
    assert package.name == f"kfw_{kfw.__version__}_{field(package, 'Architecture')}.deb"
    assert field(package, "Version") == kfw.__version__
    assert f"python{MINOR}" in field(package, "Depends").split(", ")
    assert field(package, "Architecture") == run("dpkg", "--print-architecture").stdout.strip()


def test_all_files_are_roots_and_only_root_can_write_them(package: Path) -> None:
    lines = run("dpkg-deb", "--contents", package).stdout.splitlines()
    assert len(lines) > 1000
    assert [line for line in lines if line.split()[1] != "root/root"] == []
    assert [line for line in lines if line[0] != "l" and line[8] == "w"] == []


def test_it_runs_and_knows_how_it_was_installed(root: Path, tmp_path: Path) -> None:
    """By its own interpreter, as its first line names /usr/lib/kfw, where it is not installed here."""
    argv = [root / "usr/lib/kfw/bin/python3", "-I", root / "usr/lib/kfw/bin/kfw"]
    said = json.loads(
        run(*argv, "version", "--json", cwd=tmp_path, env=bare_environment(tmp_path), limit=60).stdout
    )
    assert (said["version"], said["installedBy"]) == (kfw.__version__, "deb")
    assert said["python"].startswith(f"{MINOR}.")


def test_its_commands_lead_to_a_program_that_names_its_own_interpreter(root: Path) -> None:
    for name in ("kfw", "kubectl-kfw"):
        program = root / "usr/bin" / name
        assert program.resolve() == root / "usr/lib/kfw/bin/kfw"
        assert program.read_text().startswith("#!/usr/lib/kfw/bin/python3 -I\n")
    assert (root / "usr/lib/kfw/bin/python3").readlink() == SYSTEM_PYTHON


def test_shells_and_man_find_what_is_theirs(root: Path) -> None:
    share = root / "usr/share"
    scripts = ROOT / "kfw/completion/scripts"
    assert gzip.decompress((share / "man/man1/kfw.1.gz").read_bytes()) == (ROOT / "docs/kfw.1").read_bytes()
    assert (share / "bash-completion/completions/kfw").read_text() == (scripts / "kfw.bash").read_text()
    assert (share / "zsh/vendor-completions/_kfw").read_text() == (scripts / "_kfw").read_text()
    assert (share / "fish/vendor_completions.d/kfw.fish").read_text() == (scripts / "kfw.fish").read_text()


def test_every_module_is_compiled_and_its_sums_are_right(package: Path, root: Path, tmp_path: Path) -> None:
    modules = list((root / "usr/lib/kfw").rglob("site-packages/kfw/**/*.py"))
    compiled = {one.name.partition(".")[0] for one in (root / "usr/lib/kfw").rglob("kfw/**/*.pyc")}
    assert {one.stem for one in modules} == compiled
    run("dpkg-deb", "--control", package, tmp_path)
    done = subprocess.run(
        ["md5sum", "--quiet", "--check", tmp_path / "md5sums"], cwd=root, timeout=60, check=False
    )
    assert done.returncode == 0
