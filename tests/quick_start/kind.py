"""Clusters of the rig, made and asked through its kind (see the rig's README): the names and labels of the real one."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.quick_start.engine import ROOT
from tests.real import rig as rigs

#: On the nodes of the rig already; the public one cannot be pulled there.
IMAGE = "kfw-app:1"
#: Of the rig, too: does nothing until it is ended.
PAUSE = "kfw-pause:1"
FRONT_ENDS = rigs.PROGRAM.parent / "bin"
FORWARDS: dict[str, Any] = yaml.safe_load((ROOT / "quick-start/kfw.yaml").read_text())["portForwards"]


def rig_is_here() -> bool:
    return rigs.PROGRAM.exists()


def path() -> str:
    """PATH with the rig's kind and docker first."""
    return os.pathsep.join([str(FRONT_ENDS), os.environ["PATH"]])


def run(*argv: str, timeout: float = 120, stdin: str = "") -> str:
    done = subprocess.run(
        argv,
        input=stdin,
        env={**os.environ, "PATH": path()},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{argv} ended with {done.returncode}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class KindCluster:
    """`kubeconfig` is for this machine; `folder` for what a test writes."""

    name: str
    kubeconfig: Path
    folder: Path

    def kubectl(self, *arguments: str, stdin: str = "", timeout: float = 120) -> str:
        return run("kubectl", "--kubeconfig", str(self.kubeconfig), *arguments, stdin=stdin, timeout=timeout)

    def internal_kubeconfig(self) -> Path:
        """For use on kind's network."""
        file = self.folder / "internal"
        file.write_text(run("kind", "get", "kubeconfig", "--internal", "--name", self.name))
        file.chmod(0o600)
        return file

    def fault(self, kind: str, *arguments: str) -> None:
        rigs.cluster("fault", self.name, kind, *arguments)
