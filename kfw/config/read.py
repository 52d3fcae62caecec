"""One config file, from the disk to checked values. The only place here that opens files."""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from kfw import folders
from kfw.config import importers, toml_text, yaml_text
from kfw.config.merge import Branch, Leaf, Tree
from kfw.config.schema import SETTINGS
from kfw.config.shapes import Reading
from kfw.config.sources import foreign_words
from kfw.config.tree import ConfigProblem, Mapping, Place, Scalar, Unparsable
from kfw.errors import words_of

LARGEST = 1_000_000


def read(path: Path, at: Place, text: str | None = None) -> tuple[Branch | None, Reading]:
    """What `path` says, None if nothing of it can be used, and its problems; `at` names the file and its layer. `text`:
    what it would say.
    """
    reading = Reading(lambda text: _absolute(text, path.parent))
    tree: Tree | None = None
    try:
        text = text_of(path, at) if text is None else text
        tree = SETTINGS.read(_document(text, path, at), "", at, reading)
    except Unparsable as error:
        reading.problems.append(error.problem)
    if reading.problems and text and (foreign := _foreign(text, at)):
        reading.problems[:] = [foreign]
        return None, reading
    return (None if isinstance(tree, Leaf) else tree), reading


def _foreign(text: str, at: Place) -> ConfigProblem | None:
    """One sentence for the file of another program, not one for each of its keys."""
    from kfw.config.imports.table import named_foreign  # only for a file that has mistakes

    words = named_foreign(text, at)
    return (
        ConfigProblem(at, f"this is {words}", f"make a kfw.yaml from it: kfw config import {at.file}")
        if words
        else None
    )


def _document(text: str, path: Path, at: Place) -> Mapping:
    is_toml = path.suffix.lower() == ".toml"
    document = (toml_text if is_toml else yaml_text).parse(text, at)
    if isinstance(document, Scalar) and document.kind == "null":
        raise Unparsable(at, "the file is empty", "write for example portForwards: or delete it")
    if is_toml and isinstance(document, Mapping) and not document.pairs:
        raise Unparsable(at, "the file is empty", "write for example [portForwards.NAME] or delete it")
    if not isinstance(document, Mapping):
        raise Unparsable(
            document.at, f"the file is {document}", "write a mapping that begins with portForwards:"
        )
    return importers.kudev(document) if importers.is_kudev(document) else document


def text_of(path: Path, at: Place) -> str:
    """Raises Unparsable also for what is not a file, so that a pipe is never waited for."""
    try:
        data = _bytes(path, at)
    except OSError as error:
        raise Unparsable(at, f"cannot be read: {words_of(error).lower()}", _mend(error, at)) from error
    except ValueError as error:  # a NUL byte in the path
        raise Unparsable(at, f"cannot be read: {error}", "name a file") from error
    return _decode(data, at)


def _bytes(path: Path, at: Place) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        _is_a_config(os.fstat(descriptor), at)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(LARGEST)
    finally:
        os.close(descriptor)


def _is_a_config(about: os.stat_result, at: Place) -> None:
    if stat.S_ISDIR(about.st_mode):
        raise Unparsable(at, "this is a directory", "name a file in it")
    if not stat.S_ISREG(about.st_mode):
        raise Unparsable(at, "this is not a regular file", "write the config to a file")
    if about.st_size > LARGEST:
        raise Unparsable(at, f"the file is larger than {LARGEST} bytes", "check that it is the right file")
    if at.layer != "config" and about.st_uid not in (os.geteuid(), 0, *folders.sudo_caller()):
        raise Unparsable(at, *foreign_words("file", about.st_uid, at))  # swapped since somebody looked
    _only_its_owner_writes(about, at)


def _only_its_owner_writes(about: os.stat_result, at: Place) -> None:
    """Whoever can write the config can make kfw run programs, by way of a kubeconfig (NFR-SEC-02)."""
    if about.st_mode & stat.S_IWOTH:
        raise Unparsable(at, "everyone may write to this file", f"chmod go-w {at.file}")
    if about.st_mode & stat.S_IWGRP and not _in_a_private_group(about):
        raise Unparsable(at, "its whole group may write to this file", f"chmod g-w {at.file}")


def _in_a_private_group(about: os.stat_result) -> bool:
    import grp
    import pwd

    try:
        group, owner = grp.getgrgid(about.st_gid), pwd.getpwuid(about.st_uid)
    except KeyError:
        return False
    return is_private_group(owner.pw_name, owner.pw_gid, group.gr_name, group.gr_gid, group.gr_mem)


def is_private_group(owner: str, owners_gid: int, group: str, gid: int, members: Collection[str]) -> bool:
    """Debian and others give each user a group of the same name, and with it a umask of 002."""
    return group == owner and gid == owners_gid and set(members) <= {owner}


def _decode(data: bytes, at: Place) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unparsable(at, "the file is UTF-16, not UTF-8", "save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        place = at._replace(line=before.count(b"\n") + 1, column=column)
        raise Unparsable(
            place, f"the byte 0x{data[error.start]:02x} is not UTF-8", "save the file as UTF-8"
        ) from error
    if "\0" in text:
        before_nul = text[: text.index("\0")]
        line, column = before_nul.count("\n") + 1, len(before_nul) - before_nul.rfind("\n")
        raise Unparsable(
            at._replace(line=line, column=column), "a NUL byte is not text", "save the file as UTF-8"
        )
    return text


def _mend(error: OSError, at: Place) -> str:
    match error:
        case FileNotFoundError():
            return "kfw init writes one"
        case PermissionError():
            return f"chmod u+r {at.file}"
    return "name a file that can be read"


def _absolute(text: str, base: Path) -> str:
    """ValueError if `~user` names nobody."""
    try:
        expanded = Path(text).expanduser()
    except RuntimeError as error:
        own = text == "~" or text.startswith("~/")
        raise ValueError("there is no home directory" if own else "there is no such user") from error
    return str(Path(os.path.normpath(base / expanded)))
