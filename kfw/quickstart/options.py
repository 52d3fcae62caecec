"""What `kfw bootstrap` was told: its options, and the environment variables of the same meaning."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from kfw import paths

CLUSTER = "openchoreo-local"


class Where(StrEnum):
    """Which cluster: `auto` is kind where it can be had, else the sandbox."""

    AUTO = "auto"
    KIND = "kind"
    SANDBOX = "sandbox"


@dataclass(frozen=True)
class Namespaces:
    amp: str = "wso2-amp"
    observability: str = "openchoreo-observability-plane"
    data_plane: str = "openchoreo-data-plane"

    def renamed(self) -> Mapping[str, str]:
        """From the names in the quick start's files to those that are wanted."""
        usual = Namespaces()
        pairs = {
            usual.amp: self.amp,
            usual.observability: self.observability,
            usual.data_plane: self.data_plane,
        }
        return {old: new for old, new in pairs.items() if old != new}


def quick_start() -> Path:
    """The folder of its files: $KFW_QUICK_START, else the one beside the package in its checkout, else the one that the
    wheel has in the package."""
    if named := os.environ.get("KFW_QUICK_START"):
        return Path(named)
    here = Path(__file__).resolve().parent
    checkout = here.parents[1] / "quick-start"
    return checkout if checkout.is_dir() else here / "data"


def _file(name: str) -> Path:
    return quick_start() / name


@dataclass(frozen=True)
class BootstrapOptions:
    where: Where = Where.AUTO
    cluster_name: str = CLUSTER
    worker_node: str = ""
    namespaces: Namespaces = field(default_factory=Namespaces)
    skip_kind: bool = False
    skip_openchoreo: bool = False
    minimal: bool = False
    port_forward: bool = True
    use_context: bool = False
    image: str = ""  # instead of the images of services.yaml
    values: tuple[Path, ...] = ()  # for helm
    config: Path = field(default_factory=lambda: _file("kfw.yaml"))
    services: Path = field(default_factory=lambda: _file("services.yaml"))
    kind_config: Path = field(default_factory=lambda: _file("kind-config.yaml"))
    folder: Path = field(default_factory=lambda: paths.state_dir() / "quick-start")

    @property
    def kubeconfig(self) -> Path:
        """A copy of our own, with this one cluster in it: the user's kubeconfig and its current context stay as they are."""
        return self.folder / f"kubeconfig-{self.cluster_name}"

    @property
    def overlay(self) -> Path:
        """What this machine adds to the forwards' config."""
        return self.folder / "overlay.yaml"

    @property
    def new_cluster(self) -> Path:
        """The configuration of a new cluster, where the given one is not enough."""
        return self.folder / "kind-config.json"

    @property
    def made(self) -> Path:
        """It is there when bootstrap has made the kind cluster itself, so that uninstall may delete it."""
        return self.folder / f"made-{self.cluster_name}"

    @property
    def made_sandbox(self) -> Path:
        """The same for the sandbox."""
        return self.folder / "made-sandbox"

    @property
    def manifests(self) -> Path:
        """The stand-ins as they were applied."""
        return self.folder / f"services-{self.cluster_name}.json"
