"""Hand the daemon over to the kfw that runs here, and say what became of it."""

import sys

from kfw import __version__, client
from kfw.client.launch import this_kfw
from kfw.commands import _output as output
from kfw.errors import KfwError
from kfw.names import few
from kfw.protocol import DaemonInfo, HandoverReply

#: Seconds that live connections have to end by themselves.
DRAIN = 600.0
COMMAND = "kfw restart --daemon"


def hand_over(drain: float = DRAIN) -> HandoverReply:
    """Raises KfwError: the daemon that runs goes on."""
    try:
        reply = client.hand_over(*this_kfw(), drain)
    except KfwError as error:
        if "there is no /v1/handover" not in error.what:
            raise
        fix = "`kfw stop`, then `kfw start`: ports are closed in between"
        raise KfwError("the daemon's version cannot hand over", fix) from error
    for line in words(reply):
        output.say(f"kfw: {line}")
    return reply


def words(reply: HandoverReply) -> list[str]:
    said = [f"kfw {reply.version} (pid {reply.pid}) has taken over from pid {reply.before}"]
    if reply.connections:
        many = f"{reply.connections} connection{'s' if reply.connections > 1 else ''}"
        said.append(
            f"pid {reply.before} still carries {many}, for {reply.drain:g} s at most, and ends with the last"
        )
    if reply.moved:
        said.append(f"closed for a moment, as a child process has the port: {few(reply.moved)}")
    return said


def offer(daemon: DaemonInfo) -> None:
    """To a daemon of another version: on a terminal after asking, else a line that names the command."""
    if daemon.version == __version__:
        return
    what = f"the daemon (pid {daemon.pid}) is kfw {daemon.version}, this is kfw {__version__}"
    if not (output.is_terminal(sys.stdin) and output.is_terminal(sys.stderr)):
        output.say(f"kfw: {what}: `{COMMAND}` replaces it; its ports stay open")
        return
    output.say(f"kfw: {what}.\nReplace it now? Its ports stay open. [y/N] ")
    try:
        typed = input()
    except EOFError:  # Ctrl+D
        return
    if typed.strip().lower() in ("y", "yes"):
        hand_over()
