"""kfw sandbox: a small Kubernetes cluster in one process, to try things on."""

from pathlib import Path
from typing import Annotated

import typer

from kfw import paths
from kfw.commands import output
from kfw.commands.options import Json
from kfw.errors import DaemonNotRunning

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    help="A small Kubernetes cluster in one process, with pods that really serve, for kubectl and kfw.",
)

Foreground = Annotated[bool, typer.Option("--foreground", help="Run in this terminal, until Ctrl+C.")]


def _directory() -> Path:
    return paths.sandbox_dir()


@app.command()
def start(foreground: Foreground = False) -> int:
    """Start it, and print the path of its kubeconfig. Nothing of it survives a stop but its addresses.

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

    from kfw.sandbox import process

    output.say(f"the sandbox runs here until Ctrl+C, its kubeconfig is {_directory() / 'kubeconfig'}")
    asyncio.run(process.serve(_directory(), (signal.SIGTERM, signal.SIGINT)))
    return 0


@app.command()
def stop() -> int:
    """End it, with everything in it. Harmless when it does not run."""
    from kfw.sandbox import process

    record = process.stop(_directory())
    output.say(f"sandbox stopped (pid {record.pid})" if record else "the sandbox is not running")
    return 0


@app.command()
def status(as_json: Json = False) -> int:
    """Whether it runs, and where. Exit code 3 when it does not."""
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
            }
            facts |= {"uptimeSeconds": round(time.time() - record.started_at, 1)}
        output.show_json(facts)
    elif record:
        nodes = ", ".join(f"{name} {address}" for name, address in record.nodes.items())
        output.show(
            f"running (pid {record.pid}), {record.url}\nnodes: {nodes}\nkubeconfig: {record.kubeconfig}"
        )
    else:
        output.say("the sandbox is not running\n     `kfw sandbox start` starts it")
    return 0 if record else 3


@app.command()
def kubeconfig() -> int:
    """Print the path of its kubeconfig.

    Its context is kfw-sandbox; your own kubeconfig is never touched.
    """
    from kfw.sandbox import process

    record = process.running(_directory())
    if record is None:
        raise DaemonNotRunning("the sandbox is not running", "`kfw sandbox start` starts it")
    output.show(record.kubeconfig)
    return 0
