"""kfw targets: what there is to forward."""

import os
import sys
from typing import Annotated

import msgspec
import typer

from kfw.commands import _output as output
from kfw.commands._options import Context, Json, Kubeconfig, Namespace
from kfw.errors import UsageError


def targets(
    word: Annotated[str, typer.Argument(metavar="[WORD]", help="Only those with this in TYPE/NAME.")] = "",
    namespace: Namespace = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")] = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
) -> int:
    """Show what can be forwarded: services, workloads and pods.

    With their TCP ports, how many of their pods are ready, and whether you may forward to them. It does not need the
    daemon.

    \b
    kfw targets
    kfw targets web -n shop
    kfw targets -A --json
    """
    if everywhere and namespace:
        raise UsageError("-A and -n cannot be used together", "leave one of them out")
    from kfw.kubeconfig.load import default_files, load
    from kfw.kubeconfig.pin import current_context
    from kfw.system.loop import run
    from kfw.target.listing import find_targets
    from kfw.view.listed_targets import target_lines

    known = load(default_files(kubeconfig or os.environ.get("KUBECONFIG")))
    access = known.access(context or current_context(known))
    where = "" if everywhere else namespace or access.namespace
    found = run(find_targets(access, where, word))
    if found.denied:
        output.say(f"kfw: not shown, as you may not list them: {found.denied}")
    rows = msgspec.to_builtins(found.targets)
    if as_json:
        output.show_json(rows)
    elif rows:
        lines = target_lines(
            rows, namespaces=everywhere, width=output.width(), colour=output.colours(sys.stdout)
        )
        output.show("\n".join(lines))
    else:
        output.say(_nothing(word, where))
    return 0


def _nothing(word: str, where: str) -> str:
    what = f"found nothing like '{word}'" if word else "found nothing to forward"
    return (
        f"{what} in namespace {where}, `kfw targets -A` searches all namespaces"
        if where
        else f"{what} in any namespace"
    )
