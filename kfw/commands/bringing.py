"""The end of `up` and `add`: wait until each forward is ready or has said why not, then show what there is."""

from collections.abc import Mapping, Sequence

from kfw import client
from kfw.commands import output, overview
from kfw.commands.progress import Progress
from kfw.commands.verdict import exit_code
from kfw.commands.waiting import follow_until, settled
from kfw.protocol import ForwardStatus, UpReply, UpRequest

Rows = Mapping[str, ForwardStatus]

#: What `--timeout` is when it is not given: seconds.
TIMEOUT = 60.0
#: What it is while a login waits for a person: they have to find their phone.
LOGIN_TIMEOUT = 300.0


def bring(request: UpRequest, *, wait: bool, timeout: float, as_json: bool) -> int:
    """The daemon runs. The exit code is that of the worst forward, see verdict.py."""
    reply = client.up(request)
    rows = {row.name: row for row in client.status().forwards}
    _say_what_stays(request, rows)
    _retry_what_waits(request, reply, rows)
    names = [forward.name for forward in request.forwards]
    code = _wait(names, timeout) if wait else 0
    shown = overview.reply_of(client.status_raw(), names)
    if as_json:
        output.show_json(shown)
    else:
        output.show("\n".join(overview.lines(shown)))
    return code


def _say_what_stays(request: UpRequest, rows: Rows) -> None:
    """What is up stays in its cluster although another context is current now; silence would be a riddle."""
    for forward in request.forwards:
        row = rows.get(forward.name)
        if row and forward.context and row.context != forward.context:
            output.say(
                f"kfw: {row.name} stays in the context {row.context}, where it is up; "
                f"`kfw down {row.name}` first, then it goes to {forward.context}"
            )


def _retry_what_waits(request: UpRequest, reply: UpReply, rows: Rows) -> None:
    """Who says `up` again has mended something, and does not want to wait for the next attempt."""
    waiting = {row.name for row in rows.values() if row.status in ("error", "suspended", "reconnecting")}
    if again := [name for name in reply.unchanged if name in waiting]:
        client.retry(again, environ=request.environ)


def _wait(names: Sequence[str], timeout: float) -> int:
    progress = Progress(names)
    try:
        rows = follow_until(settled, names, timeout=timeout, on_change=progress.change)
        if timeout == TIMEOUT and any(row["reason"] == "login-pending" for row in rows):
            rest = LOGIN_TIMEOUT - TIMEOUT
            rows = follow_until(settled, names, timeout=rest, on_change=progress.change)
    except KeyboardInterrupt:
        output.say("\ngoing on in the background: `kfw status` shows it, `kfw down` ends it")
        raise
    progress.clear()
    return exit_code(rows)
