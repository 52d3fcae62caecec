"""kfw web: the forwards in a browser."""

import os
from typing import Annotated

import typer

from kfw import client
from kfw.client.launch import ensure_daemon
from kfw.commands import _output as output
from kfw.commands._caller import caller_environ
from kfw.commands._options import Json
from kfw.errors import UsageError


def web(
    only_print: Annotated[bool, typer.Option("--print", help="Print the link, open no browser.")] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Use this port, not 7531 or one nearby; 0 takes a free one."),
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop serving it, and log all browsers out.")] = False,
    as_json: Json = False,
) -> int:
    """Show and change forwards in a browser.

    The daemon serves the page on this machine only, until `kfw web --stop` or the daemon's end. The link logs one
    browser in, once.

    \b
    kfw web
    kfw web --print --port 7000
    kfw web --stop
    """
    if stop:
        if port is not None or only_print:
            raise UsageError("--stop cannot be used with other options", "kfw web --stop")
        client.stop_web()
        return 0
    from kfw.protocol import WebRequest

    ensure_daemon(on_demand=True)
    request = WebRequest(port=port, kubeconfig=_kubeconfig(), environ=caller_environ())
    reply = client.open_web(request)
    if as_json:
        output.show_json({"address": reply.address, "url": reply.url})
        return 0
    output.show(reply.url)
    if not only_print:
        _browse(reply.url)
    return 0


def _kubeconfig() -> str:
    """The files that this shell uses, wherever the daemon runs."""
    from kfw.kubeconfig.load import default_files

    return os.pathsep.join(default_files(os.environ.get("KUBECONFIG")))


def _browse(url: str) -> None:
    import webbrowser

    if not webbrowser.open(url):
        output.say("kfw: no browser was found, open the link yourself")
