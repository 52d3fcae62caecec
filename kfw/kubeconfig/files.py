"""The kubeconfigs in use, read again only when a file has changed."""

import os
from collections.abc import Sequence
from pathlib import Path

from kfw.errors import UsageError
from kfw.kubeconfig import entries
from kfw.kubeconfig.entries import Access, Kubeconfig

#: Modification time, size and inode of each file; None: it is not there.
_Stamp = tuple[tuple[int, int, int] | None, ...]


class Kubeconfigs:
    def __init__(self) -> None:
        self._read: dict[tuple[str, ...], tuple[_Stamp, Kubeconfig | UsageError]] = {}

    def access(self, files: Sequence[str], context: str) -> Access:
        """`files` () are the user's default. Raises UsageError."""
        names = tuple(files) or entries.default_files(os.environ.get("KUBECONFIG"))
        stamp = tuple(_stamp(name) for name in names)
        if names not in self._read or self._read[names][0] != stamp:
            self._read[names] = (stamp, _load(names))
        found = self._read[names][1]
        if isinstance(found, UsageError):
            raise found.with_traceback(None)  # else each time makes the kept error longer
        return found.access(context)


def _load(names: tuple[str, ...]) -> Kubeconfig | UsageError:
    try:
        return entries.load(names)
    except UsageError as error:
        return error


def _stamp(name: str) -> tuple[int, int, int] | None:
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
