"""scripts/homebrew-formula.py: the formula that comes of a lock file."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.other_user import ROOT
from tests.packages.building import Done, run

SUM = "0123456789abcdef" * 4
LOCK = """
lock-version = "1.0"
"""


def package(name: str, *, sdist: bool = True, marker: str = "") -> str:
    lines = ["[[packages]]", f'name = "{name}"', 'version = "1.0"']
    lines += [f'marker = "{marker}"'] if marker else []
    if sdist:
        lines += [
            f'sdist = {{ url = "https://index.example/{name}-1.0.tar.gz", hashes = {{ sha256 = "{SUM}" }} }}'
        ]
    return "\n".join(lines)


def write_formula(folder: Path, *packages: str, url: str = "") -> Done:
    (folder / "pylock.kfw.toml").write_text(LOCK + "\n\n".join(packages))
    (folder / "kfw.tar.gz").write_bytes(b"source")
    argv = [
        sys.executable,
        ROOT / "scripts/homebrew-formula.py",
        folder / "pylock.kfw.toml",
        folder / "kfw.tar.gz",
    ]
    return subprocess.run(
        [*map(str, argv), "3.13", "0.1.0", url], capture_output=True, text=True, timeout=60, check=False
    )


def resources(formula: str) -> list[tuple[str, str, str]]:
    return re.findall(r'  resource "(\S+)" do\n    url "(\S+)"\n    sha256 "(\S+)"\n  end\n', formula)


def test_each_package_is_a_resource_with_its_address_and_sum(tmp_path: Path) -> None:
    said = write_formula(tmp_path, package("typer"), package("rich")).stdout
    assert resources(said) == [
        (name, f"https://index.example/{name}-1.0.tar.gz", SUM) for name in ("rich", "typer")
    ]


def test_what_brew_has_and_what_is_for_windows_only_is_left_out(tmp_path: Path) -> None:
    others = [package(name) for name in ("cryptography", "certifi", "cffi", "pycparser")]
    windows = package("pywin32", sdist=False, marker="sys_platform == 'win32'")
    said = write_formula(tmp_path, *others, windows, package("h11")).stdout
    assert [name for name, _, _ in resources(said)] == ["h11"]
    assert re.findall(r'depends_on "(\S+)"', said) == ["certifi", "cryptography", "libyaml", "python@3.13"]


def test_the_source_is_the_archive_here_or_where_it_will_be(tmp_path: Path) -> None:
    here = write_formula(tmp_path, package("h11")).stdout
    assert f'  url "{(tmp_path / "kfw.tar.gz").as_uri()}"\n' in here
    there = write_formula(tmp_path, package("h11"), url="https://kfw.example/kfw.tar.gz").stdout
    assert '  url "https://kfw.example/kfw.tar.gz"\n' in there
    for said in (here, there):
        assert f'  sha256 "{hashlib.sha256(b"source").hexdigest()}"\n' in said


def test_a_package_without_a_source_archive_is_named(tmp_path: Path) -> None:
    done = write_formula(tmp_path, package("h11", sdist=False))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "homebrew: h11 1.0 has no source archive\n"


def test_the_files_that_it_installs_are_there(tmp_path: Path) -> None:
    files = re.findall(r'\.install "([^"]+)"', write_formula(tmp_path, package("h11")).stdout)
    assert len(files) == 4
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_ruby_reads_it(tmp_path: Path) -> None:
    if not shutil.which("ruby"):
        pytest.skip("no ruby")
    (tmp_path / "kfw.rb").write_text(write_formula(tmp_path, package("h11"), package("rich")).stdout)
    run("ruby", "-c", tmp_path / "kfw.rb")
