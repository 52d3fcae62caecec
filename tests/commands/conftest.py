"""The fixtures of the client, and a project to run commands in."""

from pathlib import Path

import pytest

from tests.client.conftest import daemon, home_without_daemon
from tests.commands.project import kubeconfig

__all__ = ["daemon", "home_without_daemon"]


@pytest.fixture(name="project")
def project_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with $KUBECONFIG pointing to a file with the contexts kind-dev and prod."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, "kind-dev", "prod")))
    return tmp_path
