"""A change of a config file on its way to the disk: made from what the file says now, written only if it still says so."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kfw.config.edit import CannotEdit
from kfw.config.read import text_of
from kfw.config.sources import project_file, project_source
from kfw.config.tree import Place, Unparsable
from kfw.errors import ConfigError, KfwError, UsageError, words_of
from kfw.system.files import write_atomic

_BOM = b"\xef\xbb\xbf"
#: What a new file may be: not writable for others, whatever the umask, since kfw refuses such a file.
_NEW_MODE = 0o644


@dataclass(frozen=True)
class Draft:
    """`text`: what the file at `path` is to say; `data`: what it says now, None where there is none. `at` names it."""

    path: Path
    at: Place
    text: str
    data: bytes | None

    def edited(self, edit: Callable[[str, Place], str], by_hand: str) -> "Draft":
        """`by_hand`: the fix where it cannot be done. Raises ConfigError, and UsageError."""
        try:
            return replace(self, text=edit(self.text, self.at))
        except Unparsable as error:
            raise ConfigError([str(error.problem)]) from error
        except CannotEdit as error:
            raise UsageError(f"cannot change {self.at.file}: {error}", by_hand) from error

    def write(self) -> None:
        """Raises KfwError, and changes nothing, when the file is not what it was."""
        path = Path(os.path.realpath(self.path))  # a link stays one
        if self.data is None:
            if os.path.lexists(self.path):
                raise _changed(self.at)
            mode = _NEW_MODE
        else:
            if _bytes(path, self.at) != self.data:
                raise _changed(self.at)
            mode = stat.S_IMODE(path.stat().st_mode)
        head = _BOM if (self.data or b"").startswith(_BOM) else b""
        write_atomic(path, head + self.text.encode(), mode)


def project_draft(cwd: Path) -> Draft:
    """Of the nearest project file, or of a kfw.yaml to be in `cwd`. Raises ConfigError."""
    path = project_file(cwd.absolute())
    if path is None:
        new = cwd.absolute() / "kfw.yaml"
        return Draft(new, project_source(new, cwd.absolute()).at, "", None)
    at = project_source(path, cwd.absolute()).at
    try:
        text = text_of(path, at)
    except Unparsable as error:
        raise ConfigError([str(error.problem)]) from error
    data = _bytes(path, at)
    if data.removeprefix(_BOM) != text.encode():
        raise _changed(at)
    return Draft(path, at, text, data)


def _bytes(path: Path, at: Place) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KfwError(f"cannot read {at.file}: {words_of(error)}") from error


def _changed(at: Place) -> KfwError:
    return KfwError(f"{at.file} has changed meanwhile, so kfw did not write it", "do it again")
