"""Which files are read, and in which order; the one way into this folder: load.

embedded defaults.yaml -> remote -> user file -> project file, found upward -> --config FILEs -> flags; later wins, field
by field.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kfw import paths
from kfw.choices import has_own_address
from kfw.config import build, collector_block, conflicts, sources, yaml_text
from kfw.config.durations import seconds
from kfw.config.merge import Branch, merge
from kfw.config.read import read
from kfw.config.schema import DEFAULTS, SETTINGS
from kfw.config.settings import DaemonSettings, Settings, UiSettings
from kfw.config.shapes import Reading
from kfw.config.sources import ConfigSource, foreign
from kfw.config.tree import ConfigProblem, Place, text_at
from kfw.config.tree import Mapping as MappingNode
from kfw.config.unused import unused
from kfw.errors import ConfigError
from kfw.model import Forward

if TYPE_CHECKING:
    from kfw.config.save import Draft

EMBEDDED = Path(__file__).with_name("defaults.yaml")
SCHEMA = Path(__file__).with_name("schema.json")

_NO_FLAGS: Mapping[str, str] = MappingProxyType({})


def load(
    cwd: Path,
    *,
    config_files: Sequence[Path] = (),
    flags: Mapping[str, str] = _NO_FLAGS,
    config_url: str = "",
    user_file: Path | None = None,
    draft: "Draft | None" = None,
) -> Settings:
    """All layers over each other. Flags: context, namespace, kubeconfig, method, address, hold; they win everywhere.
    Of `config_url` the copy in the cache, which remote.refresh brings up to date, is the lowest.

    `user_file` None is the one of kfw.paths; a `draft` is read in place of its project file. Raises ConfigError with every
    problem of every file.
    """
    cwd, warnings = cwd.absolute(), list[str]()
    found = sources.find(cwd, user_file or paths.config_file(), config_files, warnings)
    found[:0] = remote_sources(config_url)
    if draft and draft.path not in [source.path for source in found]:
        found.append(sources.project_source(draft.path, cwd))
    return _settings(found, flags, cwd, warnings, draft)


def remote_sources(config_url: str) -> list[ConfigSource]:
    """The copy of it that is here, if there is one. Raises UsageError for what is not a URL."""
    if not config_url:
        return []
    from kfw.config.remote import LAYER, cached, url_of  # hashlib and more, which few need

    copy = cached(url_of(config_url))
    return [ConfigSource(LAYER, copy.path, copy.url.name)] if copy else []


def _foreign_to_remote(tree: Branch) -> list[ConfigProblem]:
    from kfw.config.remote import problems_of

    return list(problems_of(tree))


def load_only(files: Sequence[Path], cwd: Path) -> Settings:
    """These files over the embedded defaults, and no other: what they say by themselves."""
    return _settings(sources.named(files, cwd.absolute()), _NO_FLAGS, cwd.absolute(), [])


def _settings(
    found: list[ConfigSource],
    flags: Mapping[str, str],
    cwd: Path,
    warnings: list[str],
    draft: "Draft | None" = None,
) -> Settings:
    problems: list[ConfigProblem] = []
    layers = [_embedded()]
    for source in found:
        if problem := foreign(source):
            problems.append(problem)
            continue
        text = draft.text if draft and draft.path == source.path else None
        tree, reading = read(source.path, source.at, text)
        problems += reading.problems
        if tree and source.layer == "remote" and not reading.problems:
            problems += _foreign_to_remote(tree)
        layers += [tree] if tree else []
    flag_layer = _flags(flags, cwd, problems)
    completed = build.complete(merge(*layers), flag_layer)
    problems += conflicts.problems(completed, all_read=len(layers) == len(found) + 1)
    if problems:
        raise ConfigError([str(each) for each in _in_order(problems, found)])
    warnings = [
        *warnings,
        *_absent_kubeconfigs(completed),
        *_longer_than_hold(completed),
        *_of_own_address(completed),
    ]
    return _built(completed, flag_layer, found, warnings, cwd)


def _built(
    completed: Branch, flags: Branch, found: list[ConfigSource], warnings: list[str], cwd: Path
) -> Settings:
    absolute = {source.name: str(source.path) for source in found}
    profiles = completed.branch("profiles").branches()
    entries = list(build.entries(completed))
    return Settings(
        forwards={entry.name: build.forward(entry, absolute) for entry in entries},
        variables={entry.name: build.variables(entry) for entry in entries},
        off_by_profile=frozenset(e.name for e in entries if build.is_off_by_profile(e, completed)),
        selections={
            name: build.selection(name, completed, flags, absolute)
            for name, profile in profiles
            if conflicts.selecting(profile)
        },
        daemon=_daemon(completed.branch("daemon")),
        ui=_ui(completed.branch("uiOptions")),
        updates=completed.value("updates", bool) is not False,
        collector=collector_block.settings_of(completed.branch("collector")),
        files=tuple(source.path for source in found),
        project_file=sources.project_among(found, cwd),
        warnings=tuple(warnings),
        unused=tuple(sorted(unused(completed), key=lambda each: _position(each.at, found))),
        tree=completed,
    )


def _longer_than_hold(completed: Branch) -> list[str]:
    """Of a holdRefused that somebody chose, once for its line; `kfw init` writes the usual one."""
    found: dict[str, None] = {}
    for entry in build.entries(completed):
        refused, hold = entry.block.leaf("holdRefused"), entry.block.leaf("hold")
        if refused is None or hold is None:
            continue
        refused_for = seconds(str(refused.value))
        if refused_for != Forward.hold_refused and refused_for > seconds(str(hold.value)):
            what = (
                f"{refused.at}: holdRefused {refused.value} is longer than hold {hold.value}, which ends it"
            )
            found[f"{what}; make hold as long"] = None
    return list(found)


def _of_own_address(completed: Branch) -> list[str]:
    """What somebody wrote beside a method that chooses where it listens. An inherited value is not said of each forward."""
    found = []
    for entry in build.entries(completed):
        method = entry.block.value("method", str) or ""
        for key in ("localPort", "address", "onPortInUse") if has_own_address(method) else ():
            leaf, port = entry.block.leaf(key), entry.block.leaf("targetPort")
            if (
                leaf
                and leaf.at.layer != "embedded"
                and (key != "localPort" or port is None or leaf.at != port.at)
            ):
                found.append(
                    f"{leaf.at}: {key} has no effect: {method} chooses where to listen, see kfw status"
                )
    return list(dict.fromkeys(found))


def _daemon(block: Branch) -> DaemonSettings:
    return DaemonSettings(
        log_level=block.value("logLevel", str) or DaemonSettings.log_level,
        metrics_listen=block.value("metricsListen", str),
        notices=block.value("notices", bool) or False,
    )


def _ui(block: Branch) -> UiSettings:
    return UiSettings(
        theme=block.value("theme", str) or UiSettings.theme,
        refresh_rate=seconds(block.value("refreshRate", str) or "1s"),
    )


@cache
def _embedded() -> Branch:
    at = Place(EMBEDDED.name, layer="embedded")
    node = yaml_text.parse(EMBEDDED.read_text(encoding="utf-8"), at)
    tree = SETTINGS.read(node, "", at, Reading(str))
    return tree if isinstance(tree, Branch) else Branch(at)


def _flags(flags: Mapping[str, str], cwd: Path, problems: list[ConfigProblem]) -> Branch:
    """Flags as a layer of what holds for every forward."""
    reading = Reading(lambda text: str(cwd / text))
    pairs = tuple((Place(f"--{key}", 0, 0, "flag"), key, value) for key, value in flags.items())
    node = MappingNode(
        Place("flags", 0), tuple((text_at(at, key), text_at(at, value)) for at, key, value in pairs)
    )
    tree = DEFAULTS.read(node, "", node.at, reading)
    problems += reading.problems
    return tree if isinstance(tree, Branch) else Branch(node.at)


def _absent_kubeconfigs(completed: Branch) -> list[str]:
    """No problem: a kubeconfig may come and go while kfw runs."""
    places = {
        (str(leaf.at), path): None
        for entry in build.entries(completed)
        if build.is_enabled(entry.block) and (leaf := entry.block.leaf("kubeconfig"))
        for path in build.texts(entry.block, "kubeconfig")
    }
    return [
        f"{at}: the kubeconfig {path} does not exist, create it"
        for at, path in places
        if not os.path.lexists(path)
    ]


def _in_order(problems: list[ConfigProblem], found: list[ConfigSource]) -> list[ConfigProblem]:
    return sorted(problems, key=lambda each: _position(each.at, found))


def _position(at: Place, found: list[ConfigSource]) -> tuple[int, int, int]:
    """As the files are read, and as each is written."""
    order = [source.name for source in found]
    return (order.index(at.file) if at.file in order else len(order), at.line, at.column)
