"""kfw wait: until forwards have a status."""

from collections.abc import Callable
from typing import Annotated

import typer

from kfw import client, view
from kfw.commands import _output as output
from kfw.commands import _status as status_fast
from kfw.commands._live import Progress
from kfw.commands._names import id_of, meant_of
from kfw.commands._options import InContext, Json, Names, Timeout
from kfw.commands._waiting import Row, exit_code, follow_until, needs_user
from kfw.errors import UsageError
from kfw.model import Status
from kfw.names import few
from kfw.protocol import ForwardStatus


def wait(
    names: Names = None,
    context: InContext = None,
    wanted: Annotated[Status, typer.Option("--for", help="The status to wait for.")] = Status.ACTIVE,
    timeout: Timeout = 60.0,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="End as soon as one of them needs you.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Wait until forwards are active or have another status.

    Without names: all that are up. The exit code says why it failed: 7 for a forward that is still retrying, 4 for an
    unreachable cluster, and so on.

    \b
    kfw wait api db --timeout 2m
    kfw wait api --for stopped
    kfw wait --fail-fast --context kind-dev
    """
    chosen = _chosen(names, context)
    ids = [row.id for row in chosen]

    def failed(row: Row) -> bool:
        return fail_fast and row["status"] != wanted and needs_user(row)

    with Progress([row.shown for row in chosen]) as progress:
        rows = follow_until(
            lambda row: row["status"] == wanted,
            ids,
            timeout=timeout,
            on_change=progress.change,
            hopeless=failed,
        )
    if as_json:
        output.show_json(status_fast.reply_with(client.status_raw(), map(id_of, rows)))
    late = [row for row in rows if row["status"] != wanted]
    if late and not as_json:
        output.say(_of_late(rows, late, failed, timeout, wanted))
    return exit_code(late) or (7 if late else 0)


def _of_late(
    rows: list[Row], late: list[Row], failed: Callable[[Row], bool], timeout: float, wanted: Status
) -> str:
    if hopeless := [view.shown(row) for row in rows if failed(row)]:
        return f"stopped waiting, as these need you: {few(hopeless)}; `kfw status` says why"
    return f"after {timeout:g} s not {wanted.value}: {few(view.shown(row) for row in late)}"


def _chosen(names: list[str] | None, context: str | None) -> list[ForwardStatus]:
    rows = client.status().forwards
    if names:
        return meant_of(names, rows, context)
    wanted = [
        row for row in meant_of([], rows, context) if row.status not in (Status.STOPPED, Status.DISABLED)
    ]
    if not wanted:
        raise UsageError("nothing is forwarded", "`kfw up` starts the configured forwards")
    return wanted
