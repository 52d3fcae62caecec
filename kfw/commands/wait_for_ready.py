"""The end of `up` and `add`: wait until each forward is ready or has failed, then show what there is."""

from collections.abc import Mapping, Sequence
from typing import Any

from kfw import client
from kfw.commands import output, status_fast
from kfw.commands.exit_codes import exit_code
from kfw.commands.progress import Progress
from kfw.commands.waiting import follow_until, settled
from kfw.protocol import ForwardStatus, UpReply, UpRequest

Rows = Mapping[str, ForwardStatus]

#: What `--timeout` is when it is not given: seconds.
TIMEOUT = 60.0
#: What it is while a login waits for a person: they have to find their phone.
LOGIN_TIMEOUT = 300.0
#: Seconds that what is tried again gets to say something else than before, until that holds.
ANOTHER_WORD = 2.0


def bring(request: UpRequest, *, wait: bool, timeout: float, as_json: bool) -> int:
    """The daemon runs. The exit code is that of the worst forward, see verdict.py."""
    reply = client.up(request)
    rows = {row.name: row for row in client.status().forwards}
    _say_what_stays(request, rows)
    again = _retry_what_waits(request, reply, rows)
    names = [forward.name for forward in request.forwards]
    if wait and again:
        _wait_for_another_word({name: rows[name] for name in again}, timeout)
    code = _wait(names, timeout) if wait else 0
    shown = status_fast.reply_of(client.status_raw(), names)
    if as_json:
        output.show_json(shown)
    else:
        output.show("\n".join(status_fast.lines(shown)))
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


def _retry_what_waits(request: UpRequest, reply: UpReply, rows: Rows) -> list[str]:
    """Who says `up` again has fixed something, and does not want to wait for the next attempt."""
    waiting = {row.name for row in rows.values() if row.status in ("error", "suspended", "reconnecting")}
    if again := [name for name in reply.unchanged if name in waiting]:
        client.retry(again, environ=request.environ)
    return again


def _wait_for_another_word(before: Rows, timeout: float) -> None:
    """What was wrong a moment ago is the verdict of the attempt before this one, perhaps in another environment."""

    def heard(row: dict[str, Any]) -> bool:
        old = before[row["name"]]
        return bool(row["status"] != old.status or row["message"] != old.message)

    follow_until(heard, before, timeout=min(ANOTHER_WORD, timeout), on_change=lambda _: None)


def _wait(names: Sequence[str], timeout: float) -> int:
    try:
        with Progress(names) as progress:
            rows = follow_until(settled, names, timeout=timeout, on_change=progress.change)
            if timeout == TIMEOUT and any(row["reason"] == "login-pending" for row in rows):
                rest = LOGIN_TIMEOUT - TIMEOUT
                rows = follow_until(settled, names, timeout=rest, on_change=progress.change)
    except KeyboardInterrupt:
        output.say("\ngoing on in the background: `kfw status` shows it, `kfw down` ends it")
        raise
    return exit_code(rows)
