"""kfw add: one more forward, without a config file."""

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kfw import client
from kfw.choices import METHOD_CHOICES, READINESS, TYPES, has_own_address, listed, usual_local_port
from kfw.client.launch import ensure_daemon
from kfw.commands._add_words import Addition, additions
from kfw.commands._caller import caller_environ, caller_source
from kfw.commands._options import Context, Json, Kubeconfig, Method, Namespace, NoWait, Timeout
from kfw.commands._waiting import TIMEOUT, bring
from kfw.errors import KfwError, PortInUse, UsageError
from kfw.model import Forward, Kind, Target
from kfw.protocol import ADDED, ForwardStatus, Source, UpRequest

if TYPE_CHECKING:
    from kfw.target.inventory import ListedPort

#: In the place of a type until the port's name is known.
_BY_NAME = "by-name"
#: Names that ports of web servers have.
_WEB_PORTS = ("http", "https", "web")


def add(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME] TARGET [[LOCAL:]REMOTE]...",
            help="TARGET is svc/api, deploy/api, pod/api-1; REMOTE a number or a port's name; :REMOTE takes a free port.",
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option("--selector", "-l", metavar="LABELS", help="Pods with these labels as the TARGET.")
    ] = "",
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    method: Method = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--type", metavar="TYPE", help=f"{listed(TYPES)}; web by default where the port is named http."
        ),
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option(metavar="IP", help="Listen here, not on 127.0.0.1 and ::1. Repeatable."),
    ] = None,
    readiness: Annotated[
        str, typer.Option(metavar="WORD", help="ready, or running: also use pods that are not ready.")
    ] = "ready",
    next_port: Annotated[
        bool, typer.Option("--next-port", help="If LOCAL is taken, use one nearby.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Save it in the project's kfw.yaml once it is active.")
    ] = False,
    timeout: Timeout = TIMEOUT,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> int:
    """Add forwards without a config file.

    Without NAME it is named after its target. Without LOCAL the local port is the same as REMOTE, plus 8000 if that is
    below 1024. If you give no number and the port is taken, kfw uses one nearby. `kfw targets` lists what can be
    forwarded.

    \b
    kfw add svc/api                       (port 80 on localhost:8080)
    kfw add svc/api 8080:http -n shop
    kfw add web deploy/web 8080
    kfw add db statefulset/db :5432       (on any free port)
    kfw add svc/api svc/db 5432           (two at once)
    kfw add -l app=api 8080               (the pods with this label)
    kfw add svc/api 8080:http --save      (and keep it in kfw.yaml)
    """
    common = replace(
        common_of(namespace, context, kubeconfig, method),
        type=_one_of("type", kind, TYPES) if kind else _BY_NAME,
        readiness=_one_of("readiness", readiness, READINESS),
        on_port_in_use="next" if next_port else "error",
        addresses=tuple(address) if address else Forward.addresses,
    )
    asked, typed, forwards = _resolved(words or (), common, labels)
    if not save:
        return _bring(forwards, wait=not no_wait, timeout=timeout, as_json=as_json)
    from kfw.commands._saving import forwards_to_save, not_saved, write

    named = [
        replace(one, local_port=done.local_port, target_port=done.target_port, type=done.type)
        for one, done in zip(typed, forwards, strict=True)
    ]
    draft, to_save = forwards_to_save(named, asked)
    forwards = [replace(forward, source=ADDED) for forward in _pinned(to_save)]
    code = _bring(forwards, wait=not no_wait, timeout=timeout, as_json=as_json)
    if code == 0:
        write(draft, [forward.name for forward in forwards])
    else:
        not_saved(draft)
    return code


def common_of(
    namespace: str | None, context: str | None, kubeconfig: str | None, method: str | None
) -> Forward:
    """What is the same in all that are added at once. Raises UsageError."""
    return Forward(
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
        type=_BY_NAME,
        source=ADDED,
    )


def request_of(words: Sequence[str], common: Forward, environ: dict[str, str]) -> UpRequest:
    """May ask the cluster which ports a target has. Raises UsageError, and KfwError of the kubeconfig."""
    return _request(_resolved(words, common)[2], environ)


def _resolved(
    words: Sequence[str], common: Forward, labels: str = ""
) -> tuple[list[Addition], list[Forward], list[Forward]]:
    """What the words ask for, the forwards as typed, and as they are to be."""
    asked = additions(words, labels)
    typed = [_forward(common, one) for one in asked]
    pinned = _pinned(typed)
    forwards = [_with_port(forward, one) for forward, one in zip(pinned, asked, strict=True)]
    return asked, typed, forwards


def _request(forwards: list[Forward], environ: dict[str, str]) -> UpRequest:
    return UpRequest(forwards=forwards, source=_source(), environ=environ)


def _bring(forwards: list[Forward], *, wait: bool, timeout: float, as_json: bool) -> int:
    request = _request(forwards, caller_environ())
    ensure_daemon(on_demand=True)
    refuse_what_is_there(request)
    return bring(request, wait=wait, timeout=timeout, as_json=as_json)


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
    """Where no local port was typed it follows the target's, if the cluster can say what that is; so does the type."""
    port = None
    if one.local is None and not has_own_address(forward.method):
        port = _remote_port(forward)
    if port:
        forward = replace(forward, local_port=usual_local_port(port.number))
    if port and forward.target_port is None:
        forward = replace(forward, target_port=port.number)
    if forward.type == _BY_NAME:
        name = port.name if port else forward.target_port
        forward = replace(forward, type="web" if name in _WEB_PORTS else Forward.type)
    return forward


def _remote_port(forward: Forward) -> "ListedPort | None":
    """None: it has several, or the cluster does not say in time. Then any port will do; the daemon says what is wrong."""
    from kfw.kubeconfig.load import load
    from kfw.system.loop import run
    from kfw.target.listing import ports_of

    try:
        access = load(forward.kubeconfig).access(forward.context)
        ports = run(ports_of(access, forward.namespace, str(forward.target)))
    except KfwError:
        return None
    meant = [port for port in ports if forward.target_port in (None, port.name, port.number)]
    return meant[0] if len(meant) == 1 else None


def _one_of(what: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise UsageError(f"unknown {what} '{text}'", f"use one of {', '.join(known)}")
    return text


def _pinned(forwards: list[Forward]) -> list[Forward]:
    from kfw.kubeconfig.pin import pin

    return pin(forwards, os.environ.get("KUBECONFIG"))


def _source() -> Source:
    return Source(key=ADDED, cwd=str(Path.cwd()), kubeconfig=os.environ.get("KUBECONFIG"))


def _is_same(row: ForwardStatus, forward: Forward) -> bool:
    there = (row.context, row.namespace, row.target, row.configured_port)
    return there == (forward.context, forward.namespace, str(forward.target), forward.local_port)


def refuse_what_is_there(request: UpRequest) -> None:
    """Raises UsageError, PortInUse for a name or a local port of another forward. Other projects may have the name."""
    rows = client.status().forwards
    here = {request.source.key, ADDED, caller_source(), ""}
    for forward in request.forwards:
        _refuse_same(forward, rows, here)


def _refuse_same(forward: Forward, rows: Sequence[ForwardStatus], here: Collection[str]) -> None:
    for row in rows:
        if row.status in ("stopped", "disabled"):
            continue
        is_here = row.name == forward.name and row.project in here
        if row.name == forward.name and (_is_same(row, forward) or (is_here and row.status == "error")):
            continue  # who corrects a mistake types the same name again, as who saves what was added before
        if is_here:
            what = f"a forward named '{row.shown}' exists already, to {row.namespace}/{row.target}"
            raise UsageError(what, f"choose another name, or `kfw remove {row.shown}` first")
        if row.status == "error":
            continue  # the daemon takes its port away
        if forward.on_port_in_use == "error" and row.local_port == forward.local_port != 0:
            what = f"cannot listen on {row.local_port}: the forward '{row.shown}' has it"
            fix = f"choose another port, add --next-port, or `kfw remove {row.shown}` first"
            raise PortInUse(what, fix)
