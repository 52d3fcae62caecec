"""kfw open: what a forward leads to, or the page of it, in the browser, on stdout or on the clipboard."""

import os
from typing import Annotated

import typer

from kfw import client, view
from kfw.commands import _output as output
from kfw.commands._names import meant_of
from kfw.commands._options import OneName
from kfw.commands._waiting import Row, exit_code
from kfw.errors import ALL_ERRORS, KfwError, UsageError
from kfw.names import few


def open(  # noqa: A001 - the name of the command
    name: OneName,
    only_print: Annotated[bool, typer.Option("--print", help="Print the URL, open nothing.")] = False,
    as_own_host: Annotated[
        bool, typer.Option("--own-host", help="Use NAME.NAMESPACE.localhost, which has its own cookies.")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the URL to the clipboard.")] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="Open the forward itself, not its Swagger UI or gRPC UI.")
    ] = False,
) -> int:
    """Open a forward in the browser: its Swagger UI or gRPC UI where it has one.

    Where no browser is found, the URL is shown instead.

    \b
    kfw open api
    kfw open api --own-host
    kfw open api --direct
    kfw open db --print
    kfw open db --copy
    """
    row = _serving(name)
    where = view.local(row) if direct or as_own_host else _page(row) or view.local(row)
    if as_own_host:
        where = view.own_host(row) or ""
        if not where:
            raise UsageError(
                f"{name} has no URL on loopback, it is on {view.local(row)}", "leave --own-host out"
            )
    if copy:
        from kfw.system.clipboard import copy as copy_text

        output.say(f"copied by {copy_text(where, os.environ)}: {where}")
    if only_print:
        output.show(where)
    if not (copy or only_print):
        _browse(name, where)
    return 0


def _page(row: Row) -> str:
    """ "" where it has none. What keeps one away is told, and is not a reason to open nothing."""
    url = view.page_url(row)
    if not url and (why := view.page_note(row)):
        output.say(f"kfw: {why}")
    return url


def _serving(name: str) -> Row:
    """The one row of this name, which serves. Raises UsageError, or KfwError with the exit code of its reason."""
    import msgspec

    chosen = meant_of([name], client.status().forwards)
    if len(chosen) != 1:
        raise UsageError(f"'{name}' is several forwards", f"name one of {few(row.shown for row in chosen)}")
    row: Row = msgspec.to_builtins(chosen[0])
    if row["status"] in ("active", "degraded"):
        return row
    by_code = {kind.exit_code: kind for kind in reversed(ALL_ERRORS)}
    why = f": {row['message']}" if row["message"] else ""
    kind = by_code.get(exit_code([row]), KfwError)
    raise kind(
        f"cannot open {view.shown(row)}: it is {row['status']}{why}", f"`kfw up {row['name']}` tries again"
    )


def _browse(name: str, where: str) -> None:
    if not where.startswith(("http://", "https://")):
        raise UsageError(f"{name} is not known to speak HTTP: it is on {where}", "use --print or --copy")
    import webbrowser

    output.show(where)
    if not webbrowser.open(where):
        raise KfwError("cannot open a browser: none was found", "open the URL above yourself")
