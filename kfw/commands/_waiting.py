"""Waiting for forwards: follow the daemon's events until each is where it should be, or time is over.

With the end of `up` and `add`, which show what there is then, and the exit code that the statuses mean.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kfw import client
from kfw.commands import _output as output
from kfw.commands import _status as status_fast
from kfw.commands._live import Progress, needs_person
from kfw.commands._names import id_of
from kfw.commands._options import GivenTime
from kfw.errors import KfwError, TimedOut
from kfw.names import RowId
from kfw.protocol import DaemonInfo, Event, ForwardStatus, UpReply, UpRequest
from kfw.reasons import About, Reason, exit_code_of

#: A ForwardStatus as it is on the wire.
Row = dict[str, Any]
Rows = Mapping[str, ForwardStatus]

#: What `--timeout` is when it is not given: seconds.
TIMEOUT = 60.0
#: What it is while a login waits for a person: they have to find their phone.
LOGIN_TIMEOUT = 300.0
#: Seconds that what is tried again gets to say something else than before, until that holds.
ANOTHER_WORD = 2.0
#: What is worst comes first; a forward that is disabled was not asked for.
_ORDER = ("error", "suspended", "stopped", "degraded", "reconnecting", "starting")
_STILL_TRYING = ("reconnecting", "starting")


def settled(row: Row) -> bool:
    """Ready, or failed; what is starting or reconnecting may still become ready."""
    return row["status"] not in ("starting", "reconnecting")


def settled_for_good(row: Row) -> bool:
    """As `settled`, but a cluster that is away may still come back."""
    return settled(row) and not (row["status"] == "suspended" and about(row) is About.NETWORK)


def needs_user(row: Row) -> bool:
    """It does not become active by itself."""
    if row["status"] == "suspended":
        return about(row) is About.LOGIN
    return row["status"] in ("error", "stopped", "disabled")


def about(row: Row) -> About | None:
    return Reason(row["reason"]).traits.about if row["reason"] else None


def never(row: Row) -> bool:
    return False


def follow_until(
    done: Callable[[Row], bool],
    ids: Iterable[RowId],
    *,
    timeout: float,
    on_change: Callable[[Row], None],
    hopeless: Callable[[Row], bool] = never,
) -> list[Row]:
    """The last status of each forward, when all are done or one is hopeless, `timeout` seconds later at most; one that is
    removed meanwhile is left out."""
    end = time.monotonic() + timeout
    stream = client.follow(timeout=timeout)
    reply = client.status()
    there = {row.id: row for row in reply.forwards}
    rows = {row: msgspec.to_builtins(there[row]) for row in dict.fromkeys(ids) if row in there}
    for row in rows.values():
        on_change(row)
    left = {which for which, row in rows.items() if not done(row)}
    stuck = any(map(hopeless, rows.values()))
    while left and not stuck:
        event = next(stream, None)
        if event is None:
            if (rest := end - time.monotonic()) > 0 and _another_serves(reply.daemon):
                return follow_until(done, rows, timeout=rest, on_change=on_change, hopeless=hopeless)
            break
        which = RowId(event.project or "", event.name or "")
        if which in rows:
            row = _apply(event, which, rows, on_change)
            stuck = row is not None and hopeless(row)
            if row is None or done(row):
                left.discard(which)
            else:
                left.add(which)
    return list(rows.values())


def _another_serves(daemon: DaemonInfo) -> bool:
    """The one that was asked has handed over meanwhile."""
    try:
        return client.ping().pid != daemon.pid
    except KfwError:
        return False


def _apply(
    event: Event, which: RowId, rows: dict[RowId, Row], on_change: Callable[[Row], None]
) -> Row | None:
    """What the row is then; None when it is gone."""
    row: Row = msgspec.to_builtins(event.forward) if event.forward else {}
    if event.type == "removed":
        del rows[which]
        return None
    if row and row["since"] >= rows[which]["since"]:  # else it happened before `status` was asked
        rows[which] = row
        on_change(row)
    return rows[which]


def exit_code(rows: Iterable[dict[str, Any]]) -> int:
    """0 when all are active, else the exit code of the worst one's reason."""
    wrong = sorted((_ORDER.index(row["status"]), _code(row)) for row in rows if row["status"] in _ORDER)
    return wrong[0][1] if wrong else 0


def _code(row: dict[str, Any]) -> int:
    without = TimedOut.exit_code if row["status"] in _STILL_TRYING else KfwError.exit_code
    return exit_code_of(Reason(row["reason"]), without) if row["reason"] else without


def bring(request: UpRequest, *, wait: bool, timeout: float, as_json: bool) -> int:
    """The daemon runs. The exit code is that of the worst forward."""
    reply = client.up(request)
    rows = rows_for(request, reply, client.status().forwards)
    say_what_stays(request, rows)
    again = _retry_what_waits(request, reply, rows)
    asked = [rows[name] for name in _asked_for(request, reply, rows) if name in rows]
    if wait and again:
        _wait_for_another_word([rows[name] for name in again], timeout)
    code = wait_until_settled(asked, timeout) if wait else 0
    shown = status_fast.reply_with(client.status_raw(), [row.id for row in asked])
    if as_json:
        output.show_json(shown)
    else:
        output.show("\n".join(status_fast.lines(shown)))
    return code


def rows_of_project(project: str, rows: Iterable[ForwardStatus]) -> Rows:
    """By name. A daemon of an older version tells no projects: its names are one project's each."""
    return {row.name: row for row in rows if row.project in (project, "")}


def rows_for(request: UpRequest, reply: UpReply, rows: Iterable[ForwardStatus]) -> Rows:
    """Those of the request's project by name, and those of others that serve it, too: the reply says which."""
    rows = list(rows)
    serving = set(reply.forwards.values())
    return {
        **rows_of_project(request.source.key, rows),
        **{row.name: row for row in rows if row.id in serving},
    }


def names_in(shown: Iterable[str]) -> list[str]:
    """The names alone: of a reply that is about one project."""
    return [text.rpartition("/")[2] for text in shown]


def _asked_for(request: UpRequest, reply: UpReply, rows: Rows) -> list[str]:
    """Those of the request, and what its profiles have selected."""
    profiles = {selection.profile for selection in request.selections}
    known = names_in((*reply.started, *reply.restarted, *reply.unchanged))
    selected = (name for name in known if name in rows and rows[name].profile in profiles)
    return list(dict.fromkeys((*(forward.name for forward in request.forwards), *request.names, *selected)))


def say_what_stays(request: UpRequest, rows: Rows) -> None:
    """What is up stays in its cluster although another context is current now; silence would be a riddle."""
    for forward in request.forwards:
        row = rows.get(forward.name)
        if row and forward.context and row.context != forward.context:
            output.say(
                f"kfw: {row.shown} stays in the context {row.context}, where it is up; "
                f"run `kfw down {row.shown}` first to move it to {forward.context}"
            )


def _retry_what_waits(request: UpRequest, reply: UpReply, rows: Rows) -> list[str]:
    """Who says `up` again has fixed something, and does not want to wait for the next attempt."""
    waiting = {row.name for row in rows.values() if row.status in ("error", "suspended", "reconnecting")}
    if again := [name for name in names_in(reply.unchanged) if name in waiting]:
        client.retry(again, request.source.key, request.environ)
    return again


def _wait_for_another_word(rows: Sequence[ForwardStatus], timeout: float) -> None:
    """What was wrong a moment ago is the verdict of the attempt before this one, perhaps in another environment."""

    before = {row.id: row for row in rows}

    def heard(row: dict[str, Any]) -> bool:
        old = before[id_of(row)]
        return bool(row["status"] != old.status or row["message"] != old.message)

    follow_until(heard, before, timeout=min(ANOTHER_WORD, timeout), on_change=lambda _: None)


def wait_until_settled(asked: Sequence[ForwardStatus], timeout: float) -> int:
    """The exit code. A time that the user gave is also for a cluster that is away."""
    enough = settled_for_good if isinstance(timeout, GivenTime) else settled
    try:
        ids = [row.id for row in asked]
        with Progress([row.shown for row in asked]) as progress:
            rows = follow_until(enough, ids, timeout=timeout, on_change=progress.change)
            if timeout == TIMEOUT and any(map(needs_person, rows)):
                rest = LOGIN_TIMEOUT - TIMEOUT
                rows = follow_until(settled, ids, timeout=rest, on_change=progress.change)
    except KeyboardInterrupt:
        output.say("\ncontinuing in the background: `kfw status` shows it, `kfw down` stops it")
        raise
    return exit_code(rows)
