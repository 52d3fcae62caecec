"""The command line as a whole: the only place where an error becomes words and an exit code.

On the fast path of `kfw status`: typer is imported for everything but that and `serve`.
"""

from __future__ import annotations

import os
import sys

from kfw import folders
from kfw.commands import _output as output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfw.errors import KfwError


def run(argv: Sequence[str]) -> int:
    """The whole of `kfw ARGV`: its exit code, with every error said on stderr."""
    folders.settle()
    output.begin()
    argv = usual_words(argv)
    try:
        code = _dispatch(argv) or 0
        output.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except _kfw_error() as error:
        return show_error(error, argv)
    except OSError as error:
        return _show_os_error(error, argv)
    except Exception as error:  # noqa: BLE001 - the last line of defence: the traceback goes to a file
        return _show_crash(error, argv)


def show_error(error: KfwError, argv: Sequence[str] = ()) -> int:
    """Its exit code. For `--json` it is a JSON value as well, where none was shown yet."""
    if _wants_json(argv) and not output.has_shown():
        output.show_json({"error": _as_json(error)})
    what, *rest = _sentences(error)
    lines = [f"{_prefix()} {what}", *rest]
    if error.fix:
        lines.append(f"     {error.fix}")
    output.say("\n".join(lines))
    return error.exit_code


def _what_is_up() -> int:
    """`kfw` alone; where no daemon runs, how to begin."""
    from kfw.commands._status import status

    try:
        code = status([], as_json=False)
        if output.is_terminal(sys.stdout) and output.is_terminal(sys.stdin):
            output.say("`kfw tui` shows it live, with keys for every action; `kfw --help` lists all commands")
        return code
    except _kfw_error() as error:
        if error.exit_code not in (2, 3):  # 2: there is no home, so nothing is up; help works all the same
            raise
    from kfw.commands._group import run_command

    return run_command(["--help"])


def _wants_json(argv: Sequence[str]) -> bool:
    """Of kfw, not of the command behind `--` of `kfw run`; what is shown line by line has no one value."""
    own = list(argv[: argv.index("--")] if "--" in argv else argv)
    return "--json" in own and own[:1] != ["port-forward"]


def _as_json(error: KfwError) -> dict[str, object]:
    said = {"reason": str(error.reason), "message": error.what, "fix": error.fix}
    problems = getattr(error, "problems", [])
    return said | {"exitCode": error.exit_code} | ({"problems": problems} if problems else {})


#: What people type who know kubectl, docker or git.
ALIASES = {
    "ls": "status",
    "ps": "status",
    "list": "status",
    "get": "status",
    "rm": "remove",
    "delete": "remove",
}


def usual_words(argv: Sequence[str]) -> list[str]:
    """With kfw's own words for these habits. What is behind `--` is not kfw's."""
    if argv[:1] == ["port-forward"] or not argv:
        return list(argv)
    if argv[0] == "help":
        return [*map(_alias, argv[1:2]), "--help"]
    end = argv.index("--") if "--" in argv else len(argv)
    own = [_alias(argv[0])]
    for word in argv[1:end]:
        if word == "json" and own[-1] in ("-o", "--output"):
            own[-1] = "--json"
        else:
            own.append("--json" if word in ("-ojson", "-o=json", "--output=json") else word)
    return [*own, *argv[end:]]


def _alias(word: str) -> str:
    return ALIASES.get(word, word)


def _dispatch(argv: Sequence[str]) -> int | None:
    if how := os.environ.get("_KFW_COMPLETE"):
        if how in ("complete_bash", "complete_zsh", "complete_fish", "lines"):
            from kfw.completion.tab import complete

            return complete(how, ALIASES)
    elif not argv:
        return _what_is_up()
    else:
        if argv[0] == "status" and all(arg == "--json" or not arg.startswith("-") for arg in argv[1:]):
            from kfw.commands._status import status

            names = [arg for arg in argv[1:] if arg != "--json"]
            return status(names, as_json="--json" in argv[1:])
        if list(argv) == ["tui"]:  # without typer it is there 0.1 s earlier
            from kfw.commands.tui import tui

            return tui()
        if argv[0] == "port-forward":
            from kfw.commands.port_forward import main

            return main(argv[1:])
        if argv[0] == "serve":
            from kfw.commands.serve import plain, serve

            if (arguments := plain(argv[1:])) is not None:
                return serve(**arguments)
    from kfw.commands._group import run_command

    return run_command(argv)


def _sentences(error: KfwError) -> list[str]:
    """The problems of config files begin with file:line:column, so that editors can jump there."""
    problems: list[str] = getattr(error, "problems", [])
    if problems:
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        return [f"the configuration has {count}", *problems]
    return error.what.splitlines() or ["something went wrong"]


def _show_os_error(error: OSError, argv: Sequence[str]) -> int:
    from contextlib import suppress

    from kfw.errors import KfwError, words_of

    with suppress(OSError):
        output.flush()
    where = f"{error.filename}: " if error.filename else ""
    return show_error(KfwError(f"cannot continue: {where}{words_of(error)}"), argv)


def _show_crash(error: Exception, argv: Sequence[str]) -> int:
    from kfw.commands._crash import write_report
    from kfw.errors import KfwError, describe

    what = f"internal error: {describe(error)}"
    try:
        fix = f"details are in {write_report(error, argv)}, please report it"
    except (KfwError, OSError) as no_report:  # no home, a full disk
        fix = f"please report it; no report with details was written, because kfw {no_report}"
    return show_error(KfwError(what, fix), argv)


def _prefix() -> str:
    return "\x1b[31mkfw:\x1b[0m" if output.colours(sys.stderr) else "kfw:"


def _kfw_error() -> type[KfwError]:
    """Looked up only when something was raised: kfw.errors imports typing."""
    from kfw.errors import KfwError

    return KfwError
