"""kfw demo: five forwards to the sandbox, pods that are ended under live connections, and a count of what failed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from kfw import client, paths
from kfw.commands import _output as output
from kfw.commands._options import Json, Method, duration
from kfw.errors import KfwError, UsageError
from kfw.model import Forward

#: Seconds between two pods that are ended, and until the forwards must be up.
EVERY = 0.5
READY = 20.0

Seconds = Annotated[float, typer.Option("--for", parser=duration, metavar="TIME", help="How long to run it.")]
Fault = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Break this in the middle third; `kfw sandbox fault` lists them."),
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the forwards and the sandbox running.")]


def demo(
    seconds: Seconds = 6.0,
    method: Method = None,
    fault: Fault = None,
    keep: Keep = False,
    as_json: Json = False,
) -> int:
    """Forward to a sandbox, delete pods, count what fails.

    It keeps connecting to five forwards while it deletes one pod after another. Exit code 1 if a connection failed.

    \b
    kfw demo
    kfw demo --method tunnel --for 30s
    kfw demo --method tunnel --fault silent
    kfw demo --keep
    """
    from kfw.client.launch import ensure_daemon
    from kfw.commands import _demo
    from kfw.sandbox import process

    _check(method, fault)
    directory = paths.sandbox_dir()
    record, started = process.start(directory)
    output.say(f"sandbox {'started' if started else 'already running'} (pid {record.pid})")
    forwards = _demo.five(record.kubeconfig, method), _demo.by_each_way(record.kubeconfig, method)
    try:
        ensure_daemon(on_demand=True)
        with _brought_up(*forwards, keep=keep) as rows:
            ways = _demo.connect_by_each(rows[len(_demo.FIVE) :])
            rows = rows[: len(_demo.FIVE)]
            output.say(
                f"connecting to {len(rows)} ports for {seconds:g} s, ending a pod every {EVERY:g} s ..."
            )
            result = _demo.run(rows, record.url, directory, seconds, EVERY, fault)
            _show(result, rows, ways, fault=fault, keep=keep, as_json=as_json)
    finally:
        if started and not keep:
            process.stop(directory)
    return 1 if result.failures else 0


def _check(method: str | None, fault: str | None) -> None:
    from kfw.commands._demo import WAYS
    from kfw.sandbox.faults import KINDS

    if method is not None and method not in ("auto", *WAYS):
        raise UsageError(f"unknown method '{method}'", f"use one of auto, {', '.join(WAYS)}")
    if fault is not None and fault not in KINDS:
        raise UsageError(f"unknown fault '{fault}'", f"use one of {', '.join(KINDS)}")


@contextmanager
def _brought_up(wanted: Sequence[Forward], ways: Mapping[str, Forward], *, keep: bool) -> Iterator[list[Any]]:
    """The statuses of all, those of `wanted` active; afterwards they are gone, unless these shall stay."""
    from kfw.commands._caller import caller_environ
    from kfw.commands._live import Progress
    from kfw.commands._waiting import follow_until, settled
    from kfw.names import RowId
    from kfw.protocol import Source, UpRequest

    names = [forward.name for forward in wanted]
    extra = [forward.name for forward in ways.values()]
    source = Source(key="kfw demo", cwd=str(Path.cwd()))
    request = UpRequest(
        forwards=[*wanted, *ways.values()], source=source, replace=True, environ=caller_environ()
    )
    client.up(request)
    try:
        with Progress(names) as progress:

            def on_change(row: Any) -> None:
                if row["name"] in names:
                    progress.change(row)

            ids = [RowId(source.key, name) for name in (*names, *extra)]
            rows = follow_until(settled, ids, timeout=READY, on_change=on_change)
        if late := next((row for row in rows[: len(names)] if row["status"] != "active"), None):
            raise KfwError(
                f"{late['name']} is not up: {late['message'] or late['status']}", "`kfw logs` says more"
            )
        yield rows
    finally:
        client.remove(extra if keep else [*names, *extra], source.key)


def _show(
    result: Any,
    rows: list[Any],
    ways: Mapping[str, float],
    *,
    fault: str | None,
    keep: bool,
    as_json: bool,
) -> None:
    if as_json:
        output.show_json(_facts(result, rows, ways))
        return
    for row in rows:
        moved = f" ({row['configuredPort']} is taken)" if row["localPort"] != row["configuredPort"] else ""
        output.show(f"{row['target']:<30} {row['url']}{moved}, {row['method']}")
    waited = "it waited" if fault else "it waited for the next pod"
    lines = [
        f"by each way  {', '.join(f'{way} {took * 1000:.1f} ms' for way, took in ways.items())}",
        f"connections  {result.connections}",
        f"failed       {len(result.failures)}",
        f"pods ended   {len(result.ended)}",
        f"median       {result.median * 1000:.1f} ms",
        f"slowest      {result.slowest * 1000:.1f} ms ({waited})",
    ]
    output.show("\n".join(lines))
    for failure in sorted(set(result.failures))[:5]:
        output.say(f"failed: {failure}")
    if keep:
        output.say("everything stays up: `kfw down` and `kfw sandbox stop` stop it")


def _facts(result: Any, rows: list[Any], ways: Mapping[str, float]) -> dict[str, Any]:
    return {
        "byEachWayMs": {way: round(took * 1000, 2) for way, took in ways.items()},
        "connections": result.connections,
        "failures": len(result.failures),
        "reasons": sorted(set(result.failures))[:5],
        "podsEnded": len(result.ended),
        "medianMs": round(result.median * 1000, 2),
        "slowestMs": round(result.slowest * 1000, 2),
        "forwards": [
            {key: row[key] for key in ("name", "target", "localPort", "url", "method")} for row in rows
        ],
    }
