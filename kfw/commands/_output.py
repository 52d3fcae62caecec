"""Where words go: data to stdout, messages to stderr. On the fast path: only os, sys, re and json.

Everything that is for people goes through `show` and `say`, which let no control character through but kfw's colours.
"""

from __future__ import annotations

import os
import sys

from kfw.printable import encodable, in_ascii, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO


#: Whether there is data on stdout already.
_has_shown = False


def show(text: str) -> None:
    """Lines of data. If nobody reads them any more (`kfw status | head -1`) the process ends quietly."""
    _note_data()
    _write(sys.stdout, _in_signs(printable(text, colours=colours(sys.stdout))) + "\n")


def show_json(value: Any) -> None:
    """One JSON value; indented only for eyes."""
    import json

    _note_data()
    indent = 2 if is_terminal(sys.stdout) else None
    encoding = (sys.stdout and sys.stdout.encoding) or "utf-8"
    is_utf8 = encoding.lower().replace("-", "") == "utf8"  # what another encoding lacks JSON has a form for
    _write(sys.stdout, printable(json.dumps(value, indent=indent, ensure_ascii=not is_utf8)) + "\n")


def begin() -> None:
    """One command, of which several may run in one process."""
    _note_data(False)


def has_shown() -> bool:
    return _has_shown


def _note_data(has_shown: bool = True) -> None:
    global _has_shown
    _has_shown = has_shown


def has_only_ascii() -> bool:
    """Whoever says LC_ALL=C has no other signs. Where nothing is said, as in most containers, the terminal is UTF-8."""
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    if sys.flags.utf8_mode and os.environ.get("LC_CTYPE") == "C.UTF-8":  # Python itself has said so (PEP 538)
        names.remove("LC_CTYPE")
    return next(filter(None, map(os.environ.get, names)), "") in ("C", "POSIX")


def say(text: str) -> None:
    """A message for people."""
    _write(sys.stderr, _in_signs(printable(text, colours=colours(sys.stderr))) + "\n")


def _in_signs(text: str) -> str:
    return in_ascii(text) if has_only_ascii() else text


def colours(stream: TextIO) -> bool:
    """Only on a terminal that has them, and not against https://no-color.org."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def width() -> int:
    """Columns: what COLUMNS says, else the terminal's, else 80; a serial line says 0."""
    if (said := os.environ.get("COLUMNS", "")).isdigit() and int(said) > 0:
        return int(said)
    try:
        return (sys.__stdout__ and os.get_terminal_size(sys.__stdout__.fileno()).columns) or 80
    except (OSError, ValueError):
        return 80


def flush() -> None:
    """All that was shown is out, or this raises OSError; without it Python's own flush at exit fails, with code 120."""
    _write(sys.stdout, "")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed by the caller: `kfw status >&-`
        return
    try:
        stream.write(encodable(text, stream.encoding))
        stream.flush()
    except OSError as error:
        hush()
        if isinstance(error, BrokenPipeError):
            raise SystemExit(141) from None  # 128 + SIGPIPE, as every other tool in the pipe
        raise


def hush() -> None:
    """What could not be written must not be tried once more by Python's own flush at exit, which complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
