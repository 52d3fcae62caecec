"""Clusters of the rig, made and asked through its kind (see the rig's README): the names and labels of the real one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.quickstart.engine import ROOT
from tests.real import rig as rigs

SERVICES = ROOT / "quick-start/services.yaml"
#: On the nodes of the rig already; the public one cannot be pulled there.
IMAGE = "kfw-app:1"
#: Of the rig, too: does nothing until it is ended.
PAUSE = "kfw-pause:1"
FRONT_ENDS = rigs.PROGRAM.parent / "bin"
FORWARDS: dict[str, Any] = yaml.safe_load((ROOT / "quick-start/kfw.yaml").read_text())["portForwards"]
NAMESPACES = sorted({forward["namespace"] for forward in FORWARDS.values()})


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


class KindCluster:
    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="kfw-kind-"))
        self.kubeconfig = self.folder / "kubeconfig"

    @property
    def context(self) -> str:
        return f"kind-{self.name}"

    def create(self, config: Path = ROOT / "quick-start/kind-config.yaml") -> None:
        where = ("--name", self.name, "--kubeconfig", str(self.kubeconfig))
        run("kind", "create", "cluster", "--config", str(config), *where, timeout=600)

    def delete(self) -> None:
        run("kind", "delete", "cluster", "--name", self.name, "--kubeconfig", str(self.kubeconfig))
        shutil.rmtree(self.folder)

    def kubectl(self, *arguments: str, stdin: str = "", timeout: float = 120) -> str:
        return run("kubectl", "--kubeconfig", str(self.kubeconfig), *arguments, stdin=stdin, timeout=timeout)

    def apply_services(self) -> None:
        self.kubectl("apply", "-f", "-", stdin=services())
        for namespace in NAMESPACES:
            self.kubectl(
                "wait", "-n", namespace, "--for=condition=Available", "deployment", "--all", "--timeout=60s"
            )

    def internal_kubeconfig(self) -> Path:
        """For use on kind's network."""
        file = self.folder / "internal"
        file.write_text(run("kind", "get", "kubeconfig", "--internal", "--name", self.name))
        file.chmod(0o600)
        return file

    def nodes(self) -> list[str]:
        return sorted(run("kind", "get", "nodes", "--name", self.name).split())

    def fault(self, kind: str, *arguments: str) -> None:
        rigs.cluster("fault", self.name, kind, *arguments)

    def mend(self) -> None:
        rigs.cluster("up", self.name)


def services() -> str:
    """The stand-ins, of an image that the rig's nodes have."""
    public = yaml.safe_load_all(SERVICES.read_text())
    images = {
        container["image"]
        for manifest in public
        if manifest["kind"] == "Deployment"
        for container in manifest["spec"]["template"]["spec"]["containers"]
    }
    text = SERVICES.read_text()
    for image in images:
        text = text.replace(image, IMAGE)
    return text
