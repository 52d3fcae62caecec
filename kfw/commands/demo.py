"""kfw demo: five forwards to the sandbox, pods that are ended under live connections, and a count of what failed."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import typer

from kfw import client, paths
from kfw.commands import output
from kfw.commands.options import Json, duration
from kfw.errors import KfwError
from kfw.model import Forward, Target

#: Namespace, service, the port's name, local port, what the pods say.
FIVE = (
    ("wso2-amp", "amp-console", "http", 3000, "the console"),
    ("wso2-amp", "amp-api", "http", 8080, "the API"),
    ("openchoreo-observability-plane", "amp-traces-observer", "http", 9098, "the traces observer"),
    ("openchoreo-observability-plane", "data-prepper", "otlp-traces", 21893, "the data prepper"),
    ("openchoreo-data-plane", "gateway-external", "https", 8443, "the gateway"),
)
#: Seconds between two pods that are ended, and until the forwards must be up.
EVERY = 0.5
READY = 20.0

Seconds = Annotated[
    float, typer.Option("--for", parser=duration, metavar="TIME", help="How long to connect and end pods.")
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the forwards and the sandbox running.")]


def demo(seconds: Seconds = 6.0, keep: Keep = False, as_json: Json = False) -> int:
    """Bring five services of the sandbox to localhost, end their pods one after the other while connecting all the
    time, and show that nothing fails. Exit code 1 if something did.

    \b
    kfw demo
    kfw demo --keep --for 30s
    """
    from kfw.client.launch import ensure_daemon
    from kfw.sandbox import process

    directory = paths.sandbox_dir()
    record, started = process.start(directory)
    output.say(f"sandbox {'started' if started else 'already running'} (pid {record.pid})")
    try:
        ensure_daemon(on_demand=True)
        with _brought_up(forwards(record.kubeconfig), keep=keep) as rows:
            result = _try(rows, record.url, directory, seconds)
            _show(result, rows, keep=keep, as_json=as_json)
    finally:
        if started and not keep:
            process.stop(directory)
    return 1 if result.failures else 0


def forwards(kubeconfig: str) -> list[Forward]:
    """Named apart from those of the quick start, which may be up at the same time."""
    return [
        Forward(
            name=f"demo-{service}",
            target=Target.parse(f"service/{service}"),
            target_port=port,
            local_port=local,
            namespace=namespace,
            context="kfw-sandbox",
            kubeconfig=(kubeconfig,),
            on_port_in_use="next",
            type="web",
            source="kfw demo",
        )
        for namespace, service, port, local, _ in FIVE
    ]


@contextmanager
def _brought_up(wanted: Sequence[Forward], *, keep: bool) -> Iterator[list[Any]]:
    """The statuses of the forwards, all of them active; afterwards they are gone, unless they shall stay."""
    from kfw.commands.progress import Progress
    from kfw.commands.waiting import follow_until, settled
    from kfw.protocol import Source, UpRequest

    names = [forward.name for forward in wanted]
    client.up(
        UpRequest(forwards=list(wanted), source=Source(key="kfw demo", cwd=str(Path.cwd())), replace=True)
    )
    try:
        progress = Progress(names)
        rows = follow_until(settled, names, timeout=READY, on_change=progress.change)
        progress.clear()
        if late := next((row for row in rows if row["status"] != "active"), None):
            raise KfwError(
                f"{late['name']} is not up: {late['message'] or late['status']}", "`kfw logs` says more"
            )
        yield rows
    finally:
        if not keep:
            client.remove(names)


def _try(rows: list[Any], url: str, directory: Path, seconds: float) -> Any:
    from kfw.sandbox.remote import Remote
    from kfw.sandbox.trial import Place, trial

    says = {f"demo-{service}": words for _, service, _, _, words in FIVE}
    places = [
        Place(row["name"], row["localPort"], says[row["name"]], tls=row["targetPort"] == "https")
        for row in rows
    ]
    remote = Remote(url, directory)
    turns = cycle(FIVE)

    async def end_pod() -> str | None:
        namespace, service, *_ = next(turns)
        return await asyncio.to_thread(_end_one, remote, namespace, service)

    output.say(f"connecting to {len(places)} ports for {seconds:g} s, ending a pod every {EVERY:g} s ...")
    return asyncio.run(trial(places, end_pod, seconds=seconds, every=EVERY))


def _end_one(remote: Any, namespace: str, service: str) -> str | None:
    """None: the one that was ended before has no successor yet, on a slow machine."""
    pods: list[str] = remote.ready_pods(namespace, service)
    if not pods:
        return None
    remote.delete_pod(namespace, pods[0])
    return pods[0]


def _show(result: Any, rows: list[Any], *, keep: bool, as_json: bool) -> None:
    if as_json:
        output.show_json(_facts(result, rows))
        return
    for row in rows:
        moved = f" ({row['configuredPort']} is taken)" if row["localPort"] != row["configuredPort"] else ""
        output.show(f"{row['target']:<30} {row['url']}{moved}, {row['method']}")
    lines = [
        f"connections  {result.connections}",
        f"failed       {len(result.failures)}",
        f"pods ended   {len(result.ended)}",
        f"median       {result.median * 1000:.1f} ms",
        f"slowest      {result.slowest * 1000:.1f} ms (it waited for the next pod)",
    ]
    output.show("\n".join(lines))
    for failure in sorted(set(result.failures))[:5]:
        output.say(f"failed: {failure}")
    if keep:
        output.say("everything stays up: `kfw down` and `kfw sandbox stop` end it")


def _facts(result: Any, rows: list[Any]) -> dict[str, Any]:
    return {
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
