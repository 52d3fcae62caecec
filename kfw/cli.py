"""The command line as a whole: the only place where an error becomes words and an exit code.

On the fast path of `kfw status`: typer is imported for everything but that and `serve`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from kfw import folders
from kfw.commands import _output as output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kfw.errors import KfwError


def run(argv: Sequence[str]) -> int:
    """The whole of `kfw ARGV`: its exit code, with every error said on stderr."""
    folders.settle()
    try:
        code = _dispatch(argv) or 0
        output.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except _kfw_error() as error:
        return show_error(error)
    except OSError as error:
        return _show_os_error(error)
    except Exception as error:  # noqa: BLE001 - the last line of defence: the traceback goes to a file
        return _show_crash(error, argv)


def show_error(error: KfwError) -> int:
    what, *rest = _sentences(error)
    lines = [f"{_prefix()} {what}", *rest]
    if error.fix:
        lines.append(f"     {error.fix}")
    output.say("\n".join(lines))
    return error.exit_code


def _dispatch(argv: Sequence[str]) -> int | None:
    if "_KFW_COMPLETE" not in os.environ and argv:
        if argv[0] == "status" and all(arg == "--json" or not arg.startswith("-") for arg in argv[1:]):
            from kfw.commands._status import status

            names = [arg for arg in argv[1:] if arg != "--json"]
            return status(names, as_json="--json" in argv[1:])
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


def _show_os_error(error: OSError) -> int:
    from contextlib import suppress

    from kfw.errors import KfwError, words_of

    with suppress(OSError):
        output.flush()
    where = f"{error.filename}: " if error.filename else ""
    return show_error(KfwError(f"cannot go on: {where}{words_of(error)}"))


def _show_crash(error: Exception, argv: Sequence[str]) -> int:
    from kfw.commands._crash import write_report
    from kfw.errors import KfwError, describe

    what = f"internal error: {describe(error)}"
    try:
        fix = f"details are in {write_report(error, argv)}, please report it"
    except (KfwError, OSError) as no_report:  # no home, a full disk
        fix = f"please report it; there is no report with details, because kfw {no_report}"
    return show_error(KfwError(what, fix))


def _prefix() -> str:
    return "\x1b[31mkfw:\x1b[0m" if output.colours(sys.stderr) else "kfw:"


def _kfw_error() -> type[KfwError]:
    """Looked up only when something was raised: kfw.errors imports typing."""
    from kfw.errors import KfwError

    return KfwError
