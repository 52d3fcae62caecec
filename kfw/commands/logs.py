"""kfw logs: the daemon's log, also while it is rotated."""

import json
import os
import re
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from kfw import client, paths
from kfw.commands import _output as output
from kfw.commands._names import meant_of
from kfw.commands._options import InContext, duration
from kfw.errors import KfwError, UsageError
from kfw.system.log_lines import Keep, about, last_lines, opened
from kfw.view import details

#: Of the last lines, where neither their number nor a time is given.
LINES = 20
#: Seconds between two looks at a log that nobody writes to.
_PAUSE = 0.1
#: Seconds after which it is asked again which forwards are in a context.
_PAUSE_OF_NAMES = 1.0


def logs(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only lines about this forward.")
    ] = None,
    context: InContext = None,
    count: Annotated[
        int | None,
        typer.Option(
            "-n", "--lines", "--tail", min=0, show_default="20", help="Show this many of the last lines."
        ),
    ] = None,
    since: Annotated[
        float | None,
        typer.Option(
            parser=duration, metavar="TIME", help="Show the lines of the last 5m, 1h30m or seconds."
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep showing new lines.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One array; with --follow one value per line.")
    ] = False,
) -> int:
    """Show the daemon's log.

    \b
    kfw logs -n 100
    kfw logs -f api
    kfw logs --since 10m
    kfw logs --context kind-dev
    kfw logs --json | jq -r '.[] | select(.level == "ERROR") | .message'
    """
    path = paths.log_file()
    keep = _kept(as_logged(name) if name else None, context)
    if count is None:
        count = LINES if since is None else sys.maxsize
    lines = last_lines(path, count, keep if since is None else recent(time.time() - since, keep))
    if as_json and not follow:
        output.show_json([parsed(line) for line in lines])
    else:
        for line in lines:
            _show(line, as_json=as_json)
    if not path.exists():
        output.say(f"found no log yet: {path}")
    elif (name or context) and count and not lines:
        where = f" in the context {context}" if context else ""
        what = f"'{name}'" if name else "a forward"
        output.say(f"the log has no line about {what}{where}")
    if follow:
        for line in coming_lines(path):
            if keep(line):
                _show(line, as_json=as_json)
    return 0


def recent(start: float, keep: Keep) -> Keep:
    """Of what was written since `start` (s since 1970); a line without a time goes with the one before it."""
    first = datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    is_recent = False

    def keep_recent(line: str) -> object:
        nonlocal is_recent
        if record := _RECORD.match(line):
            is_recent = record[1] >= first
        return is_recent and keep(line)

    return keep_recent


def as_logged(name: str) -> str:
    """As it is in the log now: where several projects have the name, the one that is meant here. Raises UsageError."""
    try:
        rows = client.status().forwards
    except KfwError:  # the log can be read without a daemon
        return name
    try:
        shown = [row.shown for row in meant_of([name], rows)]
    except UsageError:
        if "/" not in name and not any(row.name == name for row in rows):
            return name  # of a forward that is gone, or any other word
        raise
    return shown[0] if len(shown) == 1 else name


def _kept(name: str | None, context: str | None) -> Keep:
    """Which lines are shown. Raises DaemonNotRunning for a context: only the daemon knows what is in it."""
    if context is None:
        return about(name) if name else bool
    known = _in_context(context)
    of_context, looked = about(*known), time.monotonic()

    def keep(line: str) -> object:
        nonlocal of_context, looked
        if time.monotonic() - looked > _PAUSE_OF_NAMES:  # while it is followed: forwards come
            with suppress(KfwError):  # a daemon that ended has still a log
                known.update(_in_context(context))
            of_context, looked = about(*known), time.monotonic()
        return of_context(line) and (not name or about(name)(line))

    return keep


def _in_context(context: str) -> dict[str, None]:
    return {row.shown: None for row in client.status().forwards if row.context == context}


#: See daemon/logs.py.
_RECORD = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([A-Z]+) +(.*)", re.DOTALL)
#: `api: active`, and `api: socat stderr: E connect: refused`, see methods/supervised.py.
_OF_A_FORWARD = re.compile(
    r"((?P<project>[^\s:]+)/)?(?P<forward>[a-z0-9][-a-z0-9]{0,62}): "
    r"((?P<tool>[\w.-]+) (?P<stream>stdout|stderr): )?(?P<message>.*)",
    re.DOTALL,
)


def parsed(line: str) -> dict[str, str | None]:
    """One line; what goes on from the line before has no time. `tool` and `stream`: a child of the forward said it."""
    record = _RECORD.fullmatch(line)
    time, level, rest = record.groups() if record else (None, None, line)
    about = _OF_A_FORWARD.fullmatch(rest) if record else None
    found = (
        about.groupdict()
        if about
        else {"project": None, "forward": None, "tool": None, "stream": None, "message": rest}
    )
    return {"time": time, "level": level, **found}


def on_screen(line: str) -> str:
    """With its time as it is here."""
    record = _RECORD.fullmatch(line)
    if record is None:
        return line
    try:
        moment = details.on_screen(datetime.fromisoformat(record[1]), "milliseconds")
    except (ValueError, OverflowError):  # somebody else has written it
        return line
    return f"{moment} {line[record.end(1) + 1 :]}"


def _show(line: str, *, as_json: bool) -> None:
    output.show(json.dumps(parsed(line)) if as_json else on_screen(line))


def coming_lines(path: Path) -> Generator[str, None, None]:
    """What is written from now on, for ever. A file that is rotated away is read to its end first."""
    file = opened(path)
    if file:
        file.seek(0, 2)
    try:
        while True:
            if file:
                yield from _complete_lines(file)
            newer = opened(path) if file is None or _was_rotated(path, file) else None
            if newer is None:
                time.sleep(_PAUSE)
                continue
            if file:
                yield from _complete_lines(file)
                file.close()
            file = newer
    finally:
        if file:
            file.close()


def _complete_lines(file: TextIO) -> Iterator[str]:
    """A line that has no end yet is left for the next time."""
    while True:
        start = file.tell()
        line = file.readline()
        if not line.endswith("\n"):
            file.seek(start)
            return
        yield line.rstrip("\n")


def _was_rotated(path: Path, file: TextIO) -> bool:
    try:
        now, ours = path.stat(), os.fstat(file.fileno())
    except FileNotFoundError:
        return False  # between two files
    return now.st_ino != ours.st_ino or now.st_size < file.tell()
