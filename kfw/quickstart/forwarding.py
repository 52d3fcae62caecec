"""The forwards: up with the cluster's kubeconfig, each told by which way it goes, and verified by talking to it."""

import json
from collections.abc import Mapping
from pathlib import Path

from kfw.choices import METHODS
from kfw.config.layers import load_only
from kfw.config.sources import project_file
from kfw.model import Forward
from kfw.protocol import Explanation, ForwardStatus
from kfw.quickstart.kind_cluster import BootstrapCluster
from kfw.quickstart.options import BootstrapOptions
from kfw.quickstart.steps import Steps
from kfw.system.files import make_private_dir, write_atomic


def wanted(options: BootstrapOptions) -> Mapping[str, Forward]:
    """The forwards of the config alone, in the namespaces that are wanted. Raises ConfigError."""
    return load_only([options.config], Path.cwd()).forwards


def namespace_of(forward: Forward, options: BootstrapOptions) -> str:
    return options.namespaces.renamed().get(forward.namespace, forward.namespace)


def write_overlay(steps: Steps, options: BootstrapOptions, address: str = "") -> Path:
    """What this machine adds to the config: other namespaces, another address to listen on. `up` reads it last.

    It is there also when it adds nothing, so that the next run's forwards come from the same files.
    """
    renamed = {
        name: {"namespace": namespace_of(forward, options)}
        for name, forward in wanted(options).items()
        if namespace_of(forward, options) != forward.namespace
    }
    overlay: dict[str, object] = {"portForwards": renamed} if renamed else {}
    if address:
        overlay["defaults"] = {"address": address}
    if not steps.dry:
        make_private_dir(options.folder)
        write_atomic(options.overlay, json.dumps(overlay).encode())
    return options.overlay


def up(
    steps: Steps, options: BootstrapOptions, cluster: BootstrapCluster, *, foreground: bool = False
) -> int:
    """The exit code of `kfw up`: a forward that cannot be had does not keep the others from coming up."""
    where = ["--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context]
    files = ["--config", str(options.config), "--config", str(options.overlay)]
    names = list(wanted(options))
    how = ["--foreground"] if foreground else []
    return steps.ourselves(["up", *how, *files, *where, *names])


def verify(steps: Steps, options: BootstrapOptions) -> int:
    return steps.ourselves(["verify", *words(options)])


def words(options: BootstrapOptions) -> list[str]:
    return [word(options, name) for name in wanted(options)]


def word(options: BootstrapOptions, name: str) -> str:
    """In a folder of a project the name is this project's; elsewhere another project may have it as well."""
    overlay = options.overlay
    return name if project_file(Path.cwd()) else f"{overlay.parent.name}/{overlay.stem}/{name}"


def project(options: BootstrapOptions) -> str:
    """The key of what `up` brings: the project of this folder, under whose files ours are laid, else our last file."""
    return str(project_file(Path.cwd()) or options.overlay)


def ways(rows: Mapping[str, ForwardStatus], explained: Mapping[str, Explanation]) -> list[str]:
    """A line for each way that forwards go, with who goes it and why a better one was not to be had."""
    names: dict[str, list[str]] = {}
    for name, explanation in explained.items():
        if rows[name].url:
            names.setdefault(_way(rows[name], explanation), []).append(name)
    return [f"{', '.join(those)}: {way}" for way, those in names.items()]


def _way(row: ForwardStatus, explanation: Explanation) -> str:
    """Only what stood before the chosen one in the list counts as a better way."""
    better = []
    for candidate in explanation.candidates:
        if candidate.chosen:
            break
        better.append(f"not {candidate.method}: {candidate.why}")
    return "; ".join([METHODS[row.method].way, *better])
