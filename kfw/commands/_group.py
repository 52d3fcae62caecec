"""The Typer app: a name per command, each imported from its own file when it is asked for."""

import sys
from collections.abc import Sequence
from importlib import import_module
from inspect import cleandoc
from typing import Annotated, Any

import typer
from typer._click.exceptions import ClickException  # typer carries its own Click and exports only parts of it
from typer.core import TyperGroup

from kfw.commands import _output as output
from kfw.errors import UsageError

#: As `kfw --help` shows them. A file defines a function of its own name, or `app` for a noun with verbs.
GROUPS = {
    "Forwards": (
        *("up", "down", "add", "remove", "enable", "disable", "restart", "retry", "reload", "wait"),
        *("run", "port-forward"),
    ),
    "Looking": (
        *("targets", "status", "tui", "web", "explain", "doctor", "verify"),
        *("top", "tap", "perf", "open", "logs", "events", "collect"),
    ),
    "Configuration": ("init", "config"),
    "Clusters": ("bootstrap", "demo", "sandbox"),
    "Daemon": ("start", "stop", "serve", "service", "mcp", "version", "update"),
    "Shell": ("completion",),
}
COMMANDS = tuple(name for names in GROUPS.values() for name in names)


class LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The plain text; on a terminal typer has rich draw it."""
        width = max(map(len, COMMANDS))
        for title, names in GROUPS.items():
            with formatter.section(title):
                rows = [(name.ljust(width), first_line(load_command(name))) for name in names]
                formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise _unknown_command(args[0])
        return super().resolve_command(ctx, args)


def run_command(argv: Sequence[str]) -> int:
    """What the command returned, or the exit code of `typer.Exit`. Raises KfwError."""
    try:
        code = typer.main.get_command(_app())(list(argv) or ["--help"], "kfw", standalone_mode=False)
    except ClickException as error:
        context = getattr(error, "ctx", None)
        named = f"kfw {argv[0]}" if argv and argv[0] in COMMANDS else "kfw"
        command = context.command_path if context else named
        fix = f"`{command} --help` says how"
        if list(argv[:1]) == ["start"] and any(not word.startswith("-") for word in argv[1:]):
            fix += f"; it starts only the daemon, `kfw up {' '.join(argv[1:])}` starts forwards"
        raise UsageError(error.format_message().rstrip("."), fix) from error
    except typer.Abort:
        return 130
    return int(code or 0)


def _app() -> typer.Typer:
    app = typer.Typer(
        cls=LazyGroup,
        rich_markup_mode=_markup(),
        add_completion=False,  # `kfw completion`
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        from kfw.commands.version import version

        raise typer.Exit(version())


def _root(
    _version: Annotated[
        bool, typer.Option("--version", "-v", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Forward ports from a Kubernetes cluster to localhost, and keep them working.

    \b
    kfw init      write a kfw.yaml
    kfw up        start its forwards, and wait until they work
    kfw status    show what goes where
    kfw down      stop them

    Also understood: ls, ps, list and get for status, rm and delete for remove, help, -o json.
    """


def first_line(command: Any) -> str:
    """What a command does, in one line that is never cut."""
    return str(command.help or "").strip().partition("\n")[0]


def _markup() -> Any:
    """Panels and colours where people look; plain text is quicker, and can be piped."""
    return "rich" if output.is_terminal(sys.stdout) else None


def load_command(name: str) -> Any:
    """Imports it, and what it imports."""
    function = name.replace("-", "_")
    module = import_module(f"kfw.commands.{function}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        app.command(name, cls=getattr(module, "Command", None))(getattr(module, function))
    command: Any = typer.main.get_command(app)
    command.name = name
    command.rich_help_panel = next(title for title, names in GROUPS.items() if name in names)
    for one in (command, *getattr(command, "commands", {}).values()):
        one.rich_markup_mode = _markup()
        if one.rich_markup_mode:
            one.help = _for_rich(one.help or "")
    return command


def _for_rich(text: str) -> str:
    """It wraps by itself, and keeps every line break that is there: those of the examples only."""
    paragraphs = cleandoc(text).split("\n\n")
    return "\n\n".join(
        paragraph.removeprefix("\b\n") if paragraph.startswith("\b") else paragraph.replace("\n", " ")
        for paragraph in paragraphs
    )


def _unknown_command(name: str) -> UsageError:
    from difflib import get_close_matches

    alike = get_close_matches(name, [each for each in COMMANDS if each[0] == name[:1]], n=1)
    swapped = [command for command in COMMANDS if command == name[::-1] or command.endswith(name)]
    found = (alike or swapped or ["--help"])[0]
    return UsageError(f"unknown command '{name}'", f"`kfw {found}`?")
