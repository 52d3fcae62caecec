"""The tree of commands for typed.py: made of what Typer knows, kept in a file, made again when a command's file changes."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kfw import __version__, folders
from kfw.errors import KfwError

#: By the name of a parameter: what fits there, as in typed.Tree. `name` and `names` are those of rows, unless the command
#: is one of FROM_FILES. What is not here takes any text, and what Typer knows to be a file or a choice need not be.
_KINDS: Mapping[str, str | tuple[str, ...]] = {
    "context": "contexts",
    "namespace": "namespaces",
    "kubeconfig": "files",
    "report": "files",
    "name": "rows",
    "names": "rows",
    "words": "addition",  # of add: targets, each with its port
    "target": "addition",  # of port-forward, and `ports`
    "ports": "addition",
    "word": "targets",
    "form": ("json", "yaml", "wide", "name"),
    "log_level": ("debug", "info", "warn", "error"),
    "shell": ("bash", "zsh", "fish"),
    "fault": "faults",
    "switch": ("on", "off"),
}
#: The fault of `sandbox fault`; the other parameter of that name is `--type` of add.
_KINDS_OF = {"fault": {"kind": "faults"}}
#: What `kfw port-forward` reads by itself: Typer knows it for its help only.
_MORE = {"port-forward": {"-n": "namespaces"}}
#: Their names need not be up: they are those of the config as well.
FROM_FILES = frozenset({"up", "run", "doctor", "enable", "disable"})


def command_tree() -> dict[str, Any]:
    """From the file where it is of these commands, else from Typer: 0.3 s."""
    with suppress(OSError, ValueError, KeyError, TypeError, KfwError):
        kept = json.loads(_file().read_bytes())
        if kept["of"] == _stamp():
            return dict(kept["tree"])
    tree = made()
    with suppress(OSError, KfwError):
        from kfw.system.files import make_private_dir, write_atomic

        make_private_dir(_file().parent)
        write_atomic(_file(), json.dumps({"of": _stamp(), "tree": tree}).encode())
    return tree


def _file() -> Path:
    return Path(folders.folder_of("cache", "XDG_CACHE_HOME", ".cache")) / "commands.json"


def _stamp() -> list[object]:
    """Changes with each command's file, and with this one."""
    folder = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - text, as all of this is quick
    newest = max(
        one.stat().st_mtime_ns
        for name in ("commands", "completion")
        for one in os.scandir(os.path.join(folder, name))  # noqa: PTH118
        if one.name.endswith(".py")
    )
    return [__version__, folder, newest]


def made() -> dict[str, Any]:
    """Imports every command."""
    from kfw.commands._group import COMMANDS, load_command

    commands = {name: _node(load_command(name), name) for name in COMMANDS}
    return {"options": {"--version": None, "--help": None}, "commands": commands}


def _node(command: Any, name: str) -> dict[str, Any]:
    from kfw.commands._group import first_line

    arguments = [one for one in command.params if one.param_type_name == "argument"]
    return {
        "help": first_line(command),
        "options": dict(_options(command, name)) | _MORE.get(name, {}) | {"--help": None},
        "arguments": [_kind(one, command, name) for one in arguments],
        "many": bool(arguments and arguments[-1].nargs == -1),
        "commands": {verb: _node(one, verb) for verb, one in getattr(command, "commands", {}).items()},
    }


def _options(command: Any, name: str) -> Iterator[tuple[str, object]]:
    for one in command.params:
        if one.param_type_name == "option":
            kind = None if one.is_flag else _kind(one, command, name)
            yield from ((spelling, kind) for spelling in (*one.opts, *one.secondary_opts))


def _kind(parameter: Any, command: Any, name: str) -> object:
    """Never empty for what takes a value: typed.py tells flags by that."""
    if choices := getattr(parameter.type, "choices", None):
        return [str(getattr(one, "value", one)) for one in choices]
    if type(parameter.type).__name__ == "TyperPath":
        return "files"
    from kfw.choices import METHOD_CHOICES, READINESS, TYPES  # not for who reads the tree from its file

    closed = {"method": METHOD_CHOICES, "readiness": READINESS, "kind": TYPES}
    kind = {**_KINDS, **closed, **_KINDS_OF.get(name, {})}.get(parameter.name, "text")
    if kind == "rows" and name in FROM_FILES:
        return "names"
    if kind == "contexts" and not any(one.name == "namespace" for one in command.params):
        return "row contexts"  # it narrows what the daemon has
    return kind if isinstance(kind, str) else list(kind)
