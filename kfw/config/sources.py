"""Which config files there are: the user's, the project's, and those named by --config."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kfw import folders
from kfw.config.tree import ConfigProblem, Place
from kfw.names import PROJECT_FILES


class ConfigSource(NamedTuple):
    """A file and what it is to us. `name` is what messages call it: from the working directory if it is below it."""

    layer: str
    path: Path
    name: str

    @property
    def at(self) -> Place:
        return Place(self.name, layer=self.layer)


def find(cwd: Path, user_file: Path, config_files: Sequence[Path], warnings: list[str]) -> list[ConfigSource]:
    """Lowest layer first. What lies there and is not read goes to `warnings`."""
    users = _first("user", _beside(user_file), cwd, warnings)
    project = _first("project", _upward(cwd), cwd, warnings)
    return _once([*users, *project, *named(config_files, cwd)])


def project_file(cwd: Path) -> Path | None:
    """That of the nearest folder that has one."""
    return next(iter(_upward(cwd)), None)


def project_among(found: Sequence[ConfigSource], cwd: Path) -> Path | None:
    """The project's file of these, also where it was named by --config, which makes it a higher layer."""
    nearest = project_file(cwd)
    if nearest and os.path.realpath(nearest) in [os.path.realpath(source.path) for source in found]:
        return nearest
    return next((source.path for source in found if source.layer == "project"), None)


def project_source(path: Path, cwd: Path) -> ConfigSource:
    """Of one that is not there yet, too."""
    return ConfigSource("project", path, _shown(path, cwd))


def named(config_files: Sequence[Path], cwd: Path) -> list[ConfigSource]:
    return _once([ConfigSource("config", cwd / path, _shown(cwd / path, cwd)) for path in config_files])


def _upward(cwd: Path) -> list[Path]:
    """The project's config files in the nearest folder that has any; a broken link is one, and is said to be broken."""
    for folder in (cwd, *cwd.parents):
        if found := [folder / name for name in PROJECT_FILES if os.path.lexists(folder / name)]:
            return found
    return []


def _beside(user_file: Path) -> list[Path]:
    others = (user_file.with_suffix(suffix) for suffix in (".yaml", ".yml", ".toml"))
    return [path for path in dict.fromkeys((user_file, *others)) if os.path.lexists(path)]


def _first(layer: str, candidates: list[Path], cwd: Path, warnings: list[str]) -> Iterator[ConfigSource]:
    for path in candidates[:1]:
        yield ConfigSource(layer, path, _shown(path, cwd))
    for path in candidates[1:]:
        warnings.append(
            f"{_shown(path, cwd)}: not read, because {candidates[0].name} is there, keep one of them"
        )


def _once(sources: list[ConfigSource]) -> list[ConfigSource]:
    """A file that is named twice counts where it is named last."""
    last = {os.path.realpath(source.path): source for source in sources}
    return [source for source in sources if last[os.path.realpath(source.path)] is source]


def foreign(source: ConfigSource) -> ConfigProblem | None:
    """Nobody said that a file found by itself is to be trusted, and a config can name programs to run.

    root is refused as well, as git does it (safe.directory), but for the files of who called sudo.
    """
    if source.layer == "config":
        return None
    places = {"file": source.path} | ({"folder": source.path.parent} if source.layer == "user" else {})
    for what, path in places.items():
        owner = folders.foreign_owner(str(path), folders.sudo_caller())
        if owner is not None:
            return ConfigProblem(source.at, *foreign_words(what, owner, source.at))
    return None


def foreign_words(what: str, owner: int, at: Place) -> tuple[str, str]:
    """What is wrong, and the fix."""
    text = f"the {what} belongs to another user, {folders.user_name(owner)}"
    return text, f"trust it with --config {at.file}"


def _shown(path: Path, cwd: Path) -> str:
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
