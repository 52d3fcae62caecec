"""kfw service: the daemon as a service of this user, started at login."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from kfw import paths
from kfw.client.launch import this_kfw, wait_until_gone
from kfw.commands import _output as output
from kfw.commands._options import Json
from kfw.commands.stop import LIMIT, end_daemon
from kfw.errors import DaemonNotRunning
from kfw.system.service_managers import ServiceManager, installed, this_manager, write
from kfw.system.service_units import UserService, environ_for

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Env = Annotated[
    str,
    typer.Option("--env", metavar="NAMES", help="Variables of this shell for the service, comma-separated."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be written, and write nothing.")]


@app.callback()
def service() -> None:
    """Run the daemon as a service of this user.

    A systemd user unit, or an agent of launchd on macOS.

    \b
    kfw service install --env AWS_PROFILE,PATH
    kfw service status
    """


@app.command()
def install(env: Env = "PATH", dry_run: DryRun = False, as_json: Json = False) -> int:
    """Start the daemon at login, and again after a crash.

    Run again, it writes only what has changed. The service replaces a daemon that `kfw up` started.

    \b
    kfw service install --dry-run
    """
    manager = this_manager(paths.user_home())
    spec = _spec([name.strip() for name in env.split(",") if name.strip()])
    text = manager.text(spec)
    if dry_run:
        output.show(text.rstrip("\n"))
        return 0
    before = installed(manager)
    if changed := before != text:
        write(manager, text)
    ran = manager.state()["active"] == "active"
    if not ran:
        _end_other_daemon()
    if changed or not ran:
        manager.start()
    if as_json:
        output.show_json({"file": str(manager.file), "changed": changed})
    output.say(_said(manager, changed, ran))
    return 0


@app.command()
def remove(as_json: Json = False) -> int:
    """Stop the service, and remove what install wrote."""
    manager = this_manager(paths.user_home())
    there = installed(manager) is not None
    if there:
        manager.stop()
        manager.file.unlink(missing_ok=True)
        manager.forget()
    if as_json:
        output.show_json({"file": str(manager.file), "removed": there})
    output.say(f"removed {manager.file}" if there else "no service is installed")
    return 0


@app.command()
def status(as_json: Json = False) -> int:
    """Show whether it is installed and running. Exit code 3 if it is not running."""
    manager = this_manager(paths.user_home())
    there = installed(manager) is not None
    state = manager.state() if there else {"enabled": "disabled", "active": "inactive"}
    shown = {"installed": there, "file": str(manager.file), "manager": manager.name, **state}
    if as_json:
        output.show_json(shown)
    elif there:
        output.show(f"{manager.file}: {state['enabled']}, {state['active']}")
    else:
        output.show("no service is installed")
    for hint in manager.hints() if there else ():
        output.say(f"kfw: {hint}")
    return 0 if state["active"] == "active" else DaemonNotRunning.exit_code


def _spec(names: list[str]) -> UserService:
    """It logs to the file that `kfw logs` shows, as every daemon does."""
    from kfw.system.installation import one_file, this_installation

    python, folder = this_kfw()
    file = one_file(os.environ, this_installation())
    program = (str(Path(file).absolute()),) if file else (python, *(() if folder else ("-P",)), "-m", "kfw")
    argv = (*program, "serve", "--to-log-file")
    logs = str(paths.user_home() / "Library" / "Logs" / "kfw.log") if sys.platform == "darwin" else ""
    return UserService(argv, folder, environ_for(names, os.environ), logs)


def _end_other_daemon() -> None:
    """It has the lock that the service needs; the service brings its forwards back."""
    if pid := end_daemon():
        output.say(f"kfw: the daemon that was running (pid {pid}) ends; the service brings its forwards back")
        wait_until_gone(LIMIT)


def _said(manager: ServiceManager, changed: bool, ran: bool) -> str:
    if not changed:
        return f"{manager.file} is unchanged" + ("" if ran else "; started")
    if ran:
        return f"wrote {manager.file}; it takes effect when the service next starts"
    return "\n".join([f"wrote {manager.file}; the daemon runs, and starts at login", *manager.hints()])
