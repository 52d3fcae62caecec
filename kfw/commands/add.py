"""kfw add: one more forward, without a config file."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kfw import client
from kfw.choices import METHOD_CHOICES, READINESS, TYPES, has_own_address, listed, usual_local_port
from kfw.client.launch import ensure_daemon
from kfw.commands._add_words import Addition, additions
from kfw.commands._caller import caller_environ
from kfw.commands._options import Context, Json, Kubeconfig, Method, Namespace, NoWait, Timeout
from kfw.commands._waiting import TIMEOUT, bring
from kfw.errors import KfwError, PortInUse, UsageError
from kfw.model import Forward, Kind, Target
from kfw.protocol import ADDED, Source, UpRequest


def add(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME] TARGET [[LOCAL:]REMOTE]...",
            help="TARGET is svc/api, deploy/api, pod/api-1; REMOTE a number or a port's name; :REMOTE takes a free port.",
        ),
    ],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    method: Method = None,
    kind: Annotated[str, typer.Option("--type", metavar="TYPE", help=f"{listed(TYPES)}.")] = "other",
    address: Annotated[
        list[str] | None,
        typer.Option(metavar="IP", help="Listen here, not on 127.0.0.1 and ::1. Repeatable."),
    ] = None,
    readiness: Annotated[
        str, typer.Option(metavar="WORD", help="ready; or running: take pods that are not ready, too.")
    ] = "ready",
    next_port: Annotated[
        bool, typer.Option("--next-port", help="If LOCAL is taken, use one nearby.")
    ] = False,
    timeout: Timeout = TIMEOUT,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> int:
    """Add forwards without a config file.

    Without NAME it is called as its target. Without LOCAL the local port has the same number, or 8000 more for one below
    1024; where no number is typed, one nearby if that is taken. `kfw targets` shows what there is.

    \b
    kfw add svc/api                       (80 comes to localhost:8080)
    kfw add svc/api 8080:http -n shop
    kfw add web deploy/web 80
    kfw add db statefulset/db :5432       (on any free port)
    kfw add svc/api svc/db 5432           (two at once)
    """
    common = Forward(
        name="",
        target=Target(Kind.POD, ""),
        target_port=None,
        local_port=0,
        namespace=namespace or "",
        namespace_is_default=namespace is None,
        context=context or "",
        context_is_default=context is None,
        kubeconfig=tuple(str(Path.cwd() / file) for file in (kubeconfig or "").split(os.pathsep) if file),
        method=_one_of("method", method or "auto", METHOD_CHOICES),
        type=_one_of("type", kind, TYPES),
        readiness=_one_of("readiness", readiness, READINESS),
        on_port_in_use="next" if next_port else "error",
        source=ADDED,
        addresses=tuple(address) if address else Forward.addresses,
    )
    asked = additions(words)
    pinned = _pinned([_forward(common, one) for one in asked])
    forwards = [_with_port(forward, one) for forward, one in zip(pinned, asked, strict=True)]
    request = UpRequest(forwards=forwards, source=_source(), environ=caller_environ())
    ensure_daemon(on_demand=True)
    for forward in forwards:
        _refuse_what_is_there(forward)
    return bring(request, wait=not no_wait, timeout=timeout, as_json=as_json)


def _forward(common: Forward, one: Addition) -> Forward:
    """A local port that nobody typed may be another one, which its row says."""
    return replace(
        common,
        name=one.name,
        target=one.target,
        target_port=one.remote,
        local_port=0 if has_own_address(common.method) else one.local or 0,
        on_port_in_use="next" if one.local is None else common.on_port_in_use,
    )


def _with_port(forward: Forward, one: Addition) -> Forward:
    """Where the local port follows the target's, which was not typed either: if the cluster can say what it is."""
    if one.local is not None or has_own_address(forward.method):
        return forward
    found = _remote_port(forward)
    return replace(forward, local_port=usual_local_port(found)) if found else forward


def _remote_port(forward: Forward) -> int | None:
    """None: it has several, or the cluster does not say in time. Then any port will do; the daemon says what is wrong."""
    from kfw.kubeconfig.load import load
    from kfw.system.loop import run
    from kfw.target.listing import ports_of

    try:
        access = load(forward.kubeconfig).access(forward.context)
        ports = run(ports_of(access, forward.namespace, str(forward.target)))
    except KfwError:
        return None
    meant = [port.number for port in ports if forward.target_port in (None, port.name)]
    return meant[0] if len(meant) == 1 else None


def _one_of(what: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise UsageError(f"there is no {what} '{text}'", f"use one of {', '.join(known)}")
    return text


def _pinned(forwards: list[Forward]) -> list[Forward]:
    from kfw.kubeconfig.pin import pin

    return pin(forwards, os.environ.get("KUBECONFIG"))


def _source() -> Source:
    return Source(key=ADDED, cwd=str(Path.cwd()), kubeconfig=os.environ.get("KUBECONFIG"))


def _refuse_what_is_there(forward: Forward) -> None:
    for row in client.status().forwards:
        if row.status in ("stopped", "disabled"):
            continue
        is_same = row.name == forward.name and row.project in (ADDED, "")
        if is_same and row.status == "error":
            continue  # who corrects a mistake types the same name again
        if is_same:
            what = f"there is a forward named '{row.shown}' already, to {row.namespace}/{row.target}"
            raise UsageError(what, f"take another name, or `kfw remove {row.shown}` first")
        if forward.on_port_in_use == "error" and row.local_port == forward.local_port != 0:
            what = f"cannot listen on {row.local_port}: the forward '{row.shown}' has it"
            raise PortInUse(what, f"take another port, or `kfw remove {row.shown}` first")
