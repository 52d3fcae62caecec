"""kfw sandbox: a small Kubernetes cluster in one process, to try things on."""

from pathlib import Path
from typing import Annotated

import typer

from kfw import paths
from kfw.commands import _output as output
from kfw.commands._options import Json
from kfw.errors import UsageError

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    help="Run a small Kubernetes API in one process.\n\nIts pods really serve, for kubectl and kfw.",
)

Foreground = Annotated[bool, typer.Option("--foreground", help="Run in this terminal, until Ctrl+C.")]


def _directory() -> Path:
    return paths.sandbox_dir()


@app.command()
def start(foreground: Foreground = False) -> int:
    """Start it, and print the path of its kubeconfig.

    Nothing of it survives a stop but its addresses.

    \b
    export KUBECONFIG=$(kfw sandbox start)
    kubectl get all -A
    """
    from kfw.sandbox import process

    if foreground:
        return _serve()
    record, started = process.start(_directory())
    output.say(
        f"{'sandbox started' if started else 'sandbox already running'} (pid {record.pid}), {record.url}"
    )
    output.show(record.kubeconfig)
    return 0


def _serve() -> int:
    import asyncio
    import signal

    from kfw.sandbox.serving import serve

    output.say(f"the sandbox runs here until Ctrl+C, its kubeconfig is {_directory() / 'kubeconfig'}")
    asyncio.run(serve(_directory(), (signal.SIGTERM, signal.SIGINT)))
    return 0


@app.command()
def stop() -> int:
    """Stop it, with everything in it.

    Harmless when it does not run.
    """
    from kfw.sandbox import process

    record = process.stop(_directory())
    output.say(f"sandbox stopped (pid {record.pid})" if record else "the sandbox is not running")
    return 0


@app.command()
def status(as_json: Json = False) -> int:
    """Show whether it is running, and where.

    Exit code 3 when it does not.
    """
    import time

    from kfw.sandbox import process

    record = process.running(_directory())
    if as_json:
        facts = {"running": record is not None, "directory": str(_directory())}
        if record:
            facts |= {
                "pid": record.pid,
                "url": record.url,
                "kubeconfig": record.kubeconfig,
                "nodes": record.nodes,
                "faults": record.faults,
            }
            facts |= {"uptimeSeconds": round(time.time() - record.started_at, 1)}
        output.show_json(facts)
    elif record:
        nodes = ", ".join(f"{name} {address}" for name, address in record.nodes.items())
        output.show(
            f"running (pid {record.pid}), {record.url}\nnodes: {nodes}\nkubeconfig: {record.kubeconfig}"
        )
        if record.faults:
            output.show(f"faults: {', '.join(record.faults)}")
    else:
        output.say("the sandbox is not running\n     `kfw sandbox start` starts it")
    return 0 if record else 3


@app.command()
def kubeconfig() -> int:
    """Print the path of its kubeconfig.

    Its context is kfw-sandbox; your own kubeconfig is never touched.
    """
    from kfw.sandbox import process

    output.show(process.required(_directory()).kubeconfig)
    return 0


@app.command()
def fault(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="The fault; without it all of them are listed.")
    ] = None,
    switch: Annotated[
        str | None, typer.Argument(metavar="[on|off]", help="on starts it, off ends it.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Break it on purpose, or repair it again.

    Without KIND it lists what can be broken, and what is.

    \b
    kfw sandbox fault silent on
    kfw sandbox fault silent off
    """
    from kfw.sandbox import process

    if kind is None:
        _show_faults(as_json=as_json)
        return 0
    known = _faults()
    if kind not in known:
        raise UsageError(f"unknown fault '{kind}'", f"use one of {', '.join(known)}")
    if switch not in ("on", "off"):
        raise UsageError("say on or off", f"for example `kfw sandbox fault {kind} on`")
    record = process.fault(_directory(), kind, on=switch == "on")
    if as_json:
        output.show_json({"faults": record.faults})
    else:
        output.say(f"faults now: {', '.join(record.faults) or 'none'}")
    return 0


def _show_faults(*, as_json: bool) -> None:
    from kfw.sandbox import process

    record = process.running(_directory())
    on = record.faults if record else ()
    known = _faults()
    if as_json:
        output.show_json({name: {"on": name in on, "what": words} for name, words in known.items()})
        return
    for name, words in known.items():
        output.show(f"{name:<16} {'on ' if name in on else '   '} {words}")


def _faults() -> dict[str, str]:
    from kfw.sandbox.faults import KINDS

    return {name: kind.words for name, kind in KINDS.items()}
