"""What the config says, read and checked: the one thing that leaves this folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfw.config.collector_block import CollectorSettings
from kfw.config.merge import Branch, origins, plain
from kfw.config.unused import Unused
from kfw.model import Forward, SelectingProfile


@dataclass(frozen=True)
class DaemonSettings:
    log_level: str = "info"  # debug, info, warn, error
    metrics_listen: str | None = None  # "127.0.0.1:9464"; None: no metrics page
    notices: bool = False  # on the desktop


@dataclass(frozen=True)
class UiSettings:
    """`refresh_rate`: seconds between two pictures of what changes by itself, such as ages."""

    theme: str = "dark"
    refresh_rate: float = 1.0


@dataclass(frozen=True)
class Settings:
    #: By name; those of profiles too, and also what is disabled.
    forwards: Mapping[str, Forward]
    #: By name of a forward: variables for the command of `kfw run`, with places as in templates.py. They go to no daemon
    #: and into no store, as one may hold a password.
    variables: Mapping[str, Mapping[str, str]]
    #: Of the forwards the ones that are disabled only because their profile is.
    off_by_profile: frozenset[str]
    #: Profiles that select by namespaces and labels, by name; also what is disabled.
    selections: Mapping[str, SelectingProfile]
    daemon: DaemonSettings
    ui: UiSettings
    collector: CollectorSettings
    updates: bool  # whether `kfw up` asks for newer versions
    #: What was read, lowest layer first; without the embedded defaults.
    files: tuple[Path, ...]
    project_file: Path | None
    #: Sentences, as `file:line:column: what, what to do`.
    warnings: tuple[str, ...]
    #: What was said and kfw does not do, in the order of the files.
    unused: tuple[Unused, ...]
    #: The merged layers, forwards complete.
    tree: Branch

    @property
    def origin(self) -> Mapping[str, str]:
        """Dotted key of `values` -> `layer file:line`."""
        return origins(self.tree)

    @property
    def values(self) -> Mapping[str, Any]:
        """All of it as plain data with camelCase keys; as a config file it says the same again."""
        return {key: plain(child) for key, child in self.tree.children.items()}
