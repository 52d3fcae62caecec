"""A machine for a script: an empty HOME and a PATH of few real tools and of stubs, in a temporary folder."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What any Debian or macOS has, without which no script of ours would start.
BASIC = (
    "sh",
    "dirname",
    "readlink",
    "id",
    "sed",
    "grep",
    "find",
    "mkdir",
    "cat",
    "head",
    "sort",
    "tr",
    "touch",
    "chmod",
)


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.venv = folder / "venv"
        self.home = folder / "home"
        for made in (self.bin, self.venv / "bin", self.home):
            made.mkdir(parents=True)
        for tool in BASIC:
            self.has(tool)

    def has(self, tool: str) -> None:
        """Put this machine's own `tool` on the PATH."""
        found = shutil.which(tool)
        assert found, f"this test needs {tool}"
        (self.bin / tool).symlink_to(found)

    def stub(self, tool: str, body: str = "") -> Path:
        """Put a stub on the PATH: it notes how it was called, then runs `body`."""
        return self._script(self.bin / tool, body)

    def installed(self, kfw: str) -> None:
        """A .venv that is up to date, with the real interpreter and a stub `kfw`."""
        self._script(self.venv / "bin" / "kfw", kfw)
        python = self.venv / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        (self.venv / ".installed").touch()

    def calls(self) -> list[str]:
        """What was called, in order: `TOOL ARGUMENTS`."""
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def run(
        self, script: str, *arguments: str, answer: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / script), *arguments],
            input=answer or "",
            env=self._env(env),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _env(self, more: Mapping[str, str]) -> dict[str, str]:
        kfw_home = self.folder / "kfw"
        own = {
            "PATH": str(self.bin),
            "HOME": str(self.home),
            "VENV": str(self.venv),
            "KFW_HOME": str(kfw_home),
        }
        return {**own, "LC_ALL": "C", **more}

    def _script(self, path: Path, body: str) -> Path:
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>"{self.folder}/calls"\n{body}\n')
        path.chmod(0o755)
        return path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
