"""One-shot commands of other programs, to their end: for bootstrap and doctor, never in the daemon.

The answer is the exit code and both streams, told apart: kind's words of success come on stderr. Long-lived children
are process.py's.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kfw.errors import TimedOut, ToolMissing
from kfw.system.tools import find

#: Exit codes, and minus the numbers of signals: whatever comes is an answer.
_ANY_END = range(-64, 256)
#: Lines of a tool's own words that fit into an error.
_LAST_LINES = 3


@dataclass(frozen=True)
class CommandAnswer:
    """`code` is minus the signal's number if a signal ended it."""

    argv: tuple[str, ...]
    code: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def words(self) -> str:
        """The last lines it said, on stderr if there are any: the cause, in the tool's own words."""
        said = self.err.strip() or self.out.strip()
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return "; ".join(lines[-_LAST_LINES:]) or f"exit code {self.code}"


OnLine = Callable[[str], None]
#: run(argv, *, timeout, stdin, env, on_line) -> Answer
Run = Callable[..., CommandAnswer]


def run(
    argv: Sequence[str],
    *,
    timeout: float | None = 30.0,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    on_line: OnLine | None = None,
) -> CommandAnswer:
    """`env` comes on top of ours; `on_line` hears each line of stderr as it comes. `timeout` in seconds.

    Raises ToolMissing, and TimedOut after having killed it.
    """
    import sh

    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        if on_line is not None:
            on_line(line.rstrip("\n"))

    program = _program(argv[0], env)
    try:
        done = program(
            *argv[1:],
            _in=stdin,
            _err=hear,
            _env={**os.environ, **(env or {})},
            _timeout=timeout,
            _ok_code=_ANY_END,
            _tty_out=False,
            _return_cmd=True,
        )
    except sh.TimeoutException as late:
        raise TimedOut(f"{argv[0]} did not answer within {timeout:g} s", " ".join(argv)) from late
    return CommandAnswer(tuple(argv), done.exit_code, str(done), "".join(heard))


def _program(tool: str, env: Mapping[str, str] | None) -> Any:
    import sh

    path = find(tool, (env or {}).get("PATH"))
    try:
        return sh.Command(path)
    except sh.CommandNotFound as error:
        raise ToolMissing(f"cannot run {tool}: {path} is not a program") from error
