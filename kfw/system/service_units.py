"""A systemd user unit and a launchd agent for the daemon, as text. Pure.

systemd.service(5), systemd.syntax(7) (quotes, %), launchd.plist(5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kfw.errors import UsageError
from kfw.secret import is_secret_name

UNIT, LABEL = "kfw.service", "dev.kfw.daemon"
#: The first line of a unit of ours: one without it was written by somebody else.
MARK = "# Written by `kfw service install`; `kfw service remove` removes it."
#: Seconds: without a sign of life for so long the daemon is started again; between an end by a fault and the next start;
#: and for all forwards to end (GRACE of daemon/run.py, and its children's).
WATCHDOG, RESTART, STOP = 30, 5, 20
#: Where kfw's own files are, which the service and the command line must agree on.
FOLDERS = ("KFW_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


@dataclass(frozen=True)
class UserService:
    """`folder`: the only one in which `argv` finds kfw, "" where it is installed. `logs`: where launchd puts what is said
    before there is a log."""

    argv: tuple[str, ...]
    folder: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    logs: str = ""


def systemd_unit(spec: UserService) -> str:
    environment = [f"Environment={_quoted(f'{name}={value}')}" for name, value in spec.environ.items()]
    lines = [
        MARK,
        "[Unit]",
        "Description=kfw keeps the ports of Kubernetes clusters on localhost",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=notify",
        f"ExecStart={_command_line(spec.argv)}",
        "ExecReload=kill -HUP $MAINPID",
        *([f"WorkingDirectory={_escaped(spec.folder)}"] if spec.folder else []),
        *environment,
        "Restart=on-failure",
        f"RestartSec={RESTART}",
        f"WatchdogSec={WATCHDOG}",
        f"TimeoutStopSec={STOP}",
        "UMask=0077",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    return "\n".join(lines) + "\n"


def collect_units(spec: UserService) -> str:
    """A service that runs once, and a timer that starts it after each midnight in UTC, also one that was slept through."""
    environment = [f"Environment={_quoted(f'{name}={value}')}" for name, value in spec.environ.items()]
    lines = [
        "# ~/.config/systemd/user/kfw-collect.service",
        "[Unit]",
        "Description=kfw collects figures of the services behind forwards",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={_command_line(spec.argv)}",
        *([f"WorkingDirectory={_escaped(spec.folder)}"] if spec.folder else []),
        *environment,
        "UMask=0077",
        "",
        "# ~/.config/systemd/user/kfw-collect.timer: systemctl --user enable --now kfw-collect.timer",
        "[Unit]",
        "Description=kfw collects every day",
        "",
        "[Timer]",
        "OnCalendar=*-*-* 00:05:00 UTC",
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines)


def _command_line(argv: Sequence[str]) -> str:
    return " ".join(_quoted(word).replace("$", "$$") for word in argv)


def launchd_agent(spec: UserService) -> str:
    """After an end by a fault only: `kfw stop` is meant."""
    agent: dict[str, object] = {
        "Label": LABEL,
        "ProgramArguments": list(spec.argv),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False, "Crashed": True},
        "ThrottleInterval": RESTART,
        "ExitTimeOut": STOP,
        "ProcessType": "Background",
        "Umask": 0o077,
        "StandardOutPath": spec.logs,
        "StandardErrorPath": spec.logs,
        "EnvironmentVariables": dict(spec.environ),
    }
    if spec.folder:
        agent["WorkingDirectory"] = spec.folder
    import plistlib  # brings an XML parser along

    return plistlib.dumps(agent, sort_keys=False).decode()


def environ_for(names: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """These variables of the shell, and those that say where kfw's files are. Raises UsageError.

    A secret does not go into a file that stays on the disk.
    """
    for name in names:
        if is_secret_name(name):
            fix = "`kfw up` sends it from your shell to the daemon, in memory only"
            raise UsageError(f"{name} looks like a secret, which does not go into a file", fix)
        if name not in environ:
            raise UsageError(
                f"{name} is not set in this shell", f"leave it out, or `export {name}=...` first"
            )
        if any(sign in environ[name] for sign in "\n\r\0"):
            raise UsageError(f"the value of {name} has more than one line", "leave it out")
    wanted = (*(name for name in FOLDERS if environ.get(name)), *names)
    return {name: environ[name] for name in wanted}


def _quoted(word: str) -> str:
    safe = word and all(sign.isalnum() or sign in "/._-=:,+@" for sign in word)
    return word if safe else f'"{_escaped(word)}"'


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
