"""A stub for docker: a tiny engine in a folder. First on PATH it is what kfw takes for docker."""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


class Engine:
    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        home.mkdir()
        python = home / "python"  # this one, and not what PATH calls python3
        python.mkdir()
        (python / "python3").symlink_to(sys.executable)
        monkeypatch.setenv("PATH", os.pathsep.join([str(HERE), str(python), os.environ["PATH"]]))
        monkeypatch.setenv("KFW_ENGINE", str(home))
        for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "KIND_EXPERIMENTAL_PROVIDER", "KFW_FORWARDER_IMAGE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("KFW_IN_CONTAINER", "0")
        self.has()
        self.is_a({"Name": "docker-desktop", "OperatingSystem": "Docker Desktop", "ServerVersion": "28"})
        (home / "images").write_text("sha256:local\n")

    def is_a(self, info: Mapping[str, Any]) -> None:
        (self.home / "info.json").write_text(json.dumps(info))

    def has(self, *containers: Mapping[str, Any]) -> None:
        """As `docker inspect` tells of them."""
        (self.home / "containers.json").write_text(json.dumps(containers))

    def fails_to_run(self, words: str) -> None:
        (self.home / "run.fails").write_text(words)

    def containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.home / "containers.json").read_text())
        return found

    def close(self) -> None:
        """Ends what containers there are."""
        for one in self.containers():
            if "Process" in one:
                os.kill(one["Process"], signal.SIGKILL)

    def calls(self, verb: str) -> list[Sequence[str]]:
        calls = self.home / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [argv for argv in map(json.loads, lines) if argv[0] == verb]
