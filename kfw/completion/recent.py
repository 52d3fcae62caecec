"""What was asked a moment ago, in files of the runtime folder, so that the next Tab need not ask again."""

import json
import os
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kfw import folders
from kfw.errors import KfwError

#: Seconds for which an answer holds, and for which it holds that there was none.
FRESH, SILENT = 30.0, 5.0
#: Files that are kept.
_MOST = 64


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
