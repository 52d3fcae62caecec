"""The wheel of this checkout, built once, and an environment with it."""

from pathlib import Path

import pytest

from tests.packages.building import build, install, wheels_of_dependencies


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of kfw in an environment of its own."""
    return install(wheel, tmp_path_factory.mktemp("installed") / "venv")


@pytest.fixture(scope="session")
def wheels(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that wheel and those of all that it needs with its extras, as scripts/packaging.sh makes it."""
    folder = tmp_path_factory.mktemp("wheels")
    wheels_of_dependencies(wheel, folder)
    (folder / wheel.name).write_bytes(wheel.read_bytes())
    (folder / ".made").touch()
    return folder
