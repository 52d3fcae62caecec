"""The Typer app: a name per command, each imported from its own file when it is asked for."""

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer._click.exceptions import ClickException  # typer carries its own Click and exports only parts of it
from typer.core import TyperGroup

from kfw.errors import UsageError

#: In the order of `kfw --help`. A file defines a function of its own name, or `app` for a noun with verbs.
COMMANDS = (
    "up",
    "down",
    "status",
    "restart",
    "retry",
    "add",
    "remove",
    "reload",
    "wait",
    "verify",
    "explain",
    "top",
    "logs",
    "events",
    "port-forward",
    "init",
    "config",
    "bootstrap",
    "demo",
    "sandbox",
    "start",
    "stop",
    "serve",
    "version",
)


class LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _load(cmd_name) if cmd_name in COMMANDS else None

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
        raise UsageError(error.format_message().rstrip("."), f"`{command} --help` says how") from error
    except typer.Abort:
        return 130
    return int(code or 0)


def _app() -> typer.Typer:
    app = typer.Typer(
        cls=LazyGroup,
        rich_markup_mode=None,  # plain text: quicker, and it can be piped
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
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Bring a Kubernetes cluster's ports to localhost, and keep them there.

    \b
    kfw init      write a kfw.yaml
    kfw up        bring here what it names, and say when it really works
    kfw status    what is where
    kfw down      take it away
    """


def _load(name: str) -> Any:
    function = name.replace("-", "_")
    module = import_module(f"kfw.commands.{function}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        app.command(name)(getattr(module, function))
    command = typer.main.get_command(app)
    command.name = name
    return command


def _unknown_command(name: str) -> UsageError:
    from difflib import get_close_matches

    alike = get_close_matches(name, COMMANDS, n=1)
    return UsageError(f"there is no command '{name}'", f"`kfw {alike[0] if alike else '--help'}`?")
