"""Where kfw runs, and what it asks of a cluster."""

import re
from pathlib import Path

from kfw.kube import resource
from kfw.kube.resource import OF_KIND, Resource
from tests.packages.building import build, files_of

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


def test_NFR_COMPAT_01_NFR_COMPAT_02_the_wheel_is_for_every_machine_and_has_no_compiled_code(
    tmp_path: Path,
) -> None:
    wheel = build("wheel", tmp_path)
    assert wheel.name.endswith("-py3-none-any.whl")
    names = files_of(wheel)
    assert "kfw/__main__.py" in names and "kfw/cli.py" in names
    assert [name for name in names if name.endswith((".so", ".dylib", ".pyd"))] == []
