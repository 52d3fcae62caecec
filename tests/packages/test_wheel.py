"""The wheel has all that kfw reads, and works where there is no checkout."""

import json
import re
import tarfile
import tomllib
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

import kfw
from kfw.system.installation import DISTRIBUTION
from tests.other_user import ROOT
from tests.packages.building import bare_environment, build, files_of, run

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Where each of these looks by itself, below the prefix of an environment.
SHARED = {
    "share/man/man1/kfw.1": ROOT / "docs/kfw.1",
    "share/bash-completion/completions/kfw": ROOT / "kfw/completion/scripts/kfw.bash",
    "share/zsh/site-functions/_kfw": ROOT / "kfw/completion/scripts/_kfw",
    "share/fish/vendor_completions.d/kfw.fish": ROOT / "kfw/completion/scripts/kfw.fish",
}
#: What `kfw bootstrap` reads.
QUICK_START = ("kfw.yaml", "kind-config.yaml", "services.yaml")


def metadata(wheel: Path) -> Message:
    (found,) = (content for name, content in files_of(wheel).items() if name.endswith(".dist-info/METADATA"))
    return BytesParser().parsebytes(found)


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    files = [one for one in (ROOT / "kfw").rglob("*") if one.is_file() and "__pycache__" not in one.parts]
    names = files_of(wheel)
    assert len(files) > 300
    assert [str(one) for one in files if one.relative_to(ROOT).as_posix() not in names] == []


@pytest.mark.parametrize("name", QUICK_START)
def test_the_files_of_the_quick_start_are_in_the_package(wheel: Path, name: str) -> None:
    assert files_of(wheel)[f"kfw/quickstart/data/{name}"] == (ROOT / "quick-start" / name).read_bytes()


def test_it_says_what_it_is_and_carries_its_licence(wheel: Path) -> None:
    said = metadata(wheel)
    assert (
        (said["Name"], said["Version"]) == (DISTRIBUTION, PROJECT["version"]) == ("kfw-cli", kfw.__version__)
    )
    assert said["License-Expression"] == "Apache-2.0"
    assert said["License-File"] == "LICENSE"
    assert "kubernetes" in said["Keywords"].split(",")
    assert "Environment :: Console" in said.get_all("Classifier", [])
    (licence,) = (text for name, text in files_of(wheel).items() if name.endswith("/licenses/LICENSE"))
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_the_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = (one for one in tmp_path.iterdir() if one.is_dir())
    again = files_of(build("wheel", tmp_path, source))
    records = {name: content for name, content in files_of(wheel).items() if again.get(name) != content}
    assert list(records) == []
    assert again.keys() == files_of(wheel).keys()


def test_what_is_installed_says_so(installed: Path, tmp_path: Path) -> None:
    said = json.loads(
        run(installed, "version", "--json", cwd=tmp_path, env=bare_environment(tmp_path)).stdout
    )
    assert said["version"] == kfw.__version__
    assert said["installedBy"] == "pip"
    assert said["daemon"] is None
    assert re.fullmatch(r"3\.\d+\.\d+\S*", said["python"]) and said["platform"]


def test_an_environment_has_the_man_page_and_the_completions(installed: Path) -> None:
    for name, source in SHARED.items():
        assert (installed.parents[1] / name).read_bytes() == source.read_bytes(), name


def test_each_shell_gets_its_script(installed: Path, tmp_path: Path) -> None:
    for shell, name in (("bash", "kfw.bash"), ("zsh", "_kfw"), ("fish", "kfw.fish")):
        said = run(installed, "completion", shell, cwd=tmp_path, env=bare_environment(tmp_path)).stdout
        assert said == (ROOT / "kfw/completion/scripts" / name).read_text()


@pytest.mark.sandbox
def test_bootstrap_works_without_a_checkout(installed: Path, tmp_path: Path) -> None:
    env = bare_environment(tmp_path)
    dry = run(installed, "bootstrap", "all", "--sandbox", "--dry-run", cwd=tmp_path, env=env).stdout
    config = installed.parents[1].joinpath(*re.findall(r"--config \S+/venv/(\S+/kfw.yaml)", dry))
    assert config.read_bytes() == (ROOT / "quick-start/kfw.yaml").read_bytes()
    try:
        said = run(
            installed, "bootstrap", "all", "--sandbox", "--no-port-forward", "--yes", cwd=tmp_path, env=env
        )
        assert "cluster: the embedded sandbox" in said.stderr
        assert "running (pid " in run(installed, "sandbox", "status", cwd=tmp_path, env=env).stdout
    finally:
        run(installed, "bootstrap", "uninstall", "--yes", cwd=tmp_path, env=env)


def test_the_kind_cluster_of_the_quick_start_is_read_from_the_package(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "from kfw.quickstart.options import BootstrapOptions as O; o = O(); print(o.kind_config, o.services)"
    )
    python = installed.with_name("python")
    said = run(python, "-c", code, cwd=tmp_path, env=bare_environment(tmp_path)).stdout.split()
    assert [Path(one).name for one in said] == ["kind-config.yaml", "services.yaml"]
    assert all(Path(one).parent.name == "data" and Path(one).is_file() for one in said)
