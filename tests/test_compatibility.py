"""Where kfw runs, and what it asks of a cluster."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kfw.kube import resource
from kfw.kube.resource import OF_KIND, Resource

ROOT = Path(__file__).parents[1]
#: Served as stable by Kubernetes 1.25 and every release since.
STABLE = {
    "",
    "networking.k8s.io",
    "apps",
    "batch",
    "discovery.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
}


def test_NFR_COMPAT_04_only_stable_apis_are_read() -> None:
    every = {*OF_KIND.values(), *(one for one in vars(resource).values() if isinstance(one, Resource))}
    assert {one.group for one in every} <= STABLE
    assert {one.version for one in every} == {"v1"}


def test_NFR_COMPAT_04_no_path_of_a_beta_api_is_written_anywhere() -> None:
    """kubectl's exec plugins have beta versions of their own, which are files' words and not the API's."""
    found = {
        match
        for file in (ROOT / "kfw").rglob("*.py")
        for match in re.findall(r"apis/[a-z0-9.]+/v\d+(?:alpha|beta)\d+", file.read_text())
    }
    assert found == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the package's own backend, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    made = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))",
            str(folder),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return folder / made.stdout.split()[-1]


def test_NFR_COMPAT_01_NFR_COMPAT_02_the_wheel_is_for_every_machine_and_has_no_compiled_code(
    wheel: Path,
) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "kfw/__main__.py" in names or "kfw/cli.py" in names
    assert [name for name in names if name.endswith((".so", ".dylib", ".pyd"))] == []
