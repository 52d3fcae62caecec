"""A folder with config files, read as kfw reads them from there."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from kfw.config.layers import load
from kfw.config.settings import Settings
from kfw.errors import ConfigError

DATA = Path(__file__).with_name("data")


class Project:
    """`home` is where the user's file lies, `here` the project's folder and the working directory."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.here = root / "work"
        self.user_file = self.home / "config.yaml"
        self.home.mkdir()
        self.here.mkdir()

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def load(self, *files: Path, cwd: Path | None = None, flags: Mapping[str, str] | None = None) -> Settings:
        return load(cwd or self.here, config_files=files, flags=flags or {}, user_file=self.user_file)

    def problems(self, text: str | bytes | None = None, name: str = "kfw.yaml", **flags: str) -> list[str]:
        """What is said about a project file of this text."""
        if text is not None:
            self.write(name, text)
        with pytest.raises(ConfigError) as error:
            self.load(flags=flags)
        return error.value.problems
