"""The values of each kind: those of the daemon, of files, and of the cluster. Quick, silent, and remembered for a moment."""

import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kfw import folders
from kfw.completion.shells import Suggestion
from kfw.completion.typed import Asked, with_short_kind
from kfw.errors import KfwError

#: Seconds for the daemon.
_DAEMON = 1.0
#: Seconds for which an answer holds, and for which it holds that there was none.
FRESH, SILENT = 30.0, 5.0
#: Answers that are kept.
_MOST = 64


def values_of(asked: Asked) -> Iterable[Suggestion]:
    """All of the kind; the shell's beginning of a word is not looked at. Raises KfwError where it cannot be known."""
    kind = asked.kind
    if not isinstance(kind, str):
        return [Suggestion(word, words) for word, words in kind.items()]
    return _VALUES[kind](asked) if kind in _VALUES else ()


def _all_rows() -> list[dict[str, Any]]:
    from kfw import client

    rows: list[dict[str, Any]] = json.loads(client.status_raw(timeout=_DAEMON))["forwards"]
    return rows


def _row_contexts(asked: Asked) -> list[Suggestion]:
    return [Suggestion(name) for name in dict.fromkeys(row["context"] for row in _all_rows())]


def _rows(asked: Asked) -> list[Suggestion]:
    from kfw.commands._caller import caller_source
    from kfw.commands._names import id_of
    from kfw.names import completable

    rows = _all_rows()
    words_of = {id_of(row): f"{row['status']}, {row['namespace']}/{row['target']}" for row in rows}
    names = {name: words_of[row] for name, row in completable(words_of, caller_source()).items()}
    profiles = dict.fromkeys((row["profile"] for row in rows if row.get("profile")), "profile")
    return _unused(asked, {**profiles, **names})


def _names(asked: Asked) -> list[Suggestion]:
    """Of the config, and of what is up besides."""
    files = [str(Path.cwd() / one) for name in ("--config", "-f") if (one := asked.options.get(name))]
    found: dict[str, str] = recently(_stamps(files), lambda: _configured(files)) or {}
    with suppress(KfwError):
        found = found | {one.value: one.help for one in _rows(asked)}
    return _unused(asked, found)


def _unused(asked: Asked, found: Mapping[str, str]) -> list[Suggestion]:
    return [Suggestion(name, words) for name, words in found.items() if name not in asked.arguments]


def _stamps(files: list[str]) -> list[object]:
    """Of all that the config is read from: what changes one of them changes this."""
    user = f"{folders.folder_of('config', 'XDG_CONFIG_HOME', '.config')}/config.yaml"
    here = Path.cwd()
    project = [
        str(one / name) for one in (here, *here.parents) for name in ("kfw.yaml", "kfw.yml", "kfw.toml")
    ]
    return [
        "names",
        str(here),
        os.environ.get("KFW_CONFIG_URL", ""),
        [(one, _stamp(one)) for one in (user, *project, *files) if os.path.lexists(one)],
    ]


def _stamp(file: str) -> tuple[int, int]:
    try:
        said = os.stat(file)  # noqa: PTH116 - text, as all of this is quick
    except OSError:
        return 0, 0
    return said.st_mtime_ns, said.st_size


def _configured(files: list[str]) -> dict[str, str] | None:
    from kfw.config.layers import load

    try:
        url = os.environ.get("KFW_CONFIG_URL", "")
        settings = load(Path.cwd(), config_files=[Path(one) for one in files], config_url=url)
    except KfwError:
        return None
    forwards = settings.forwards
    profiles = dict.fromkeys((one.profile for one in forwards.values() if one.profile), "profile")
    found = {**profiles, **dict.fromkeys(settings.selections, "profile")}
    return {**found, **{name: f"{one.namespace or 'default'}/{one.target}" for name, one in forwards.items()}}


def _kubeconfigs(asked: Asked) -> list[str]:
    said = (
        asked.options.get("--kubeconfig")
        or os.environ.get("KUBECONFIG")
        or f"{folders.user_home()}/.kube/config"
    )
    return [os.path.abspath(one) for one in said.split(os.pathsep) if one]  # noqa: PTH100


def _contexts(asked: Asked) -> list[Suggestion]:
    files = _kubeconfigs(asked)

    def ask() -> list[str]:
        from kfw.kubeconfig.load import load

        return sorted(load(files).contexts)

    return [Suggestion(name) for name in recently(["contexts", [(one, _stamp(one)) for one in files]], ask)]


def _faults(asked: Asked) -> list[Suggestion]:
    from kfw.sandbox.faults import KINDS as FAULTS

    return [Suggestion(name, one.words) for name, one in FAULTS.items()]


# -- from the cluster


def _from_cluster(what: str, asked: Asked, namespace: str) -> Any:
    """None: the cluster does not say, or not within a second."""
    files, context = _kubeconfigs(asked), asked.options.get("--context", "")
    key = [what, [(one, _stamp(one)) for one in files], context, namespace]

    def ask() -> Any:
        from kfw.completion import from_cluster

        return getattr(from_cluster, what)(files, context, namespace)

    return recently(key, ask)


def _namespaces(asked: Asked) -> list[Suggestion]:
    return [Suggestion(name) for name in _from_cluster("namespaces", asked, "") or ()]


def _listed(asked: Asked) -> dict[str, list[tuple[int, str]]]:
    """By TYPE/NAME its ports: number and name."""
    namespace = asked.options.get("--namespace") or asked.options.get("-n") or ""
    found: dict[str, list[tuple[int, str]]] = _from_cluster("targets", asked, namespace) or {}
    return found


def _targets(asked: Asked) -> list[Suggestion]:
    listed = _listed(asked)
    found = with_short_kind(asked.typed, list(listed), _spellings())
    return [Suggestion(word, _ports_in_words(listed.get(_full(word), ()))) for word in found]


def _spellings() -> Mapping[str, tuple[str, str]]:
    """The other words for each kind."""
    from kfw.choices import KINDS

    return {name: (one.short, one.plural) for name, one in KINDS.items()}


def _full(word: str) -> str:
    kind, slash, name = word.partition("/")
    full = next((one for one, others in _spellings().items() if kind.lower() in others), kind)
    return f"{full}{slash}{name}"


def _addition(asked: Asked) -> list[Suggestion]:
    """A target; behind one its ports, as `add` and `port-forward` take them."""
    last = asked.arguments[-1] if asked.arguments else ""
    wants_port = "/" in last or (asked.command == "port-forward" and bool(asked.arguments))
    if wants_port and "/" not in asked.typed:
        target = next((one for one in reversed(asked.arguments) if "/" in one), last)
        ports = _listed(asked).get(_full(target), [])
        return [Suggestion(_local_and_remote(number), name) for number, name in ports]
    return _targets(asked)


def _local_and_remote(number: int) -> str:
    from kfw.choices import usual_local_port

    local = usual_local_port(number)
    return str(number) if local == number else f"{local}:{number}"


def _ports_in_words(ports: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"{number} {name}".rstrip() for number, name in ports)


_VALUES: Mapping[str, Callable[[Asked], list[Suggestion]]] = {
    "rows": _rows,
    "row contexts": _row_contexts,
    "names": _names,
    "contexts": _contexts,
    "namespaces": _namespaces,
    "targets": _targets,
    "addition": _addition,
    "faults": _faults,
}


# -- what was asked a moment ago, in files of the runtime folder, so that the next Tab need not ask again


def recently(key: object, ask: Callable[[], Any], *, fresh: float = FRESH) -> Any:
    """What `ask` returned for this key within `fresh` seconds, else what it returns now. None is remembered for a short
    time only. Without a folder to write to it is asked each time."""
    name = repr(key)
    file = _folder() / f"{zlib.crc32(name.encode(errors='replace')):08x}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads(file.read_bytes())
        age = time.time() - said["at"]
        if said["key"] == name and 0 <= age < (SILENT if said["value"] is None else fresh):
            return said["value"]
    value = ask()
    with suppress(OSError, KfwError):
        _write(file, {"key": name, "at": time.time(), "value": value})
    return value


def _folder() -> Path:
    return Path(folders.runtime_folder()) / "completion"


def _write(file: Path, said: object) -> None:
    """Whole or not at all: two shells may ask at the same time."""
    if not file.parent.is_dir():
        from kfw.system.files import make_private_dir

        make_private_dir(file.parent)
    beside = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(said, out)
    beside.replace(file)
    _forget(file.parent)


def _forget(folder: Path) -> None:
    files = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in files[_MOST:]:
        old.unlink(missing_ok=True)
