"""The wheel of this checkout, built once, and an environment with it."""

from pathlib import Path

import pytest

from tests.packages.building import build, install


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of kfw in an environment of its own."""
    return install(wheel, tmp_path_factory.mktemp("installed") / "venv")
