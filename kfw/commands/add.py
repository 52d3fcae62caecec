"""kfw add: one more forward, without a config file."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from kfw import client
from kfw.choices import METHOD_CHOICES, READINESS, TYPES, has_own_address, listed, usual_local_port
from kfw.client.launch import ensure_daemon
from kfw.commands._caller import caller_environ
from kfw.commands._options import Context, Json, Kubeconfig, Method, Namespace, NoWait, Timeout
from kfw.commands._waiting import TIMEOUT, bring
from kfw.errors import PortInUse, UsageError
from kfw.model import Forward, Target
from kfw.protocol import ADDED, Source, UpRequest

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the forward.")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="For example svc/api, deploy/api, pod/api-1.")
    ],
    ports: Annotated[
        str | None,
        typer.Argument(
            metavar="[[LOCAL:]REMOTE]", help="REMOTE is a number or a port's name; :REMOTE takes a free port."
        ),
    ] = None,
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
    """Add one forward without a config file.

    Without LOCAL the local port has the same number, or 8000 more for one below 1024.

    \b
    kfw add api svc/api 8080:http -n shop
    kfw add web deploy/web 80             (on localhost:8080)
    kfw add db statefulset/db :5432       (on any free port)
    kfw add init pod/api-0 8080 --readiness running
    """
    local, remote = split_ports(ports)
    forward = Forward(
        name=_checked("name", name, _NAME),
        target=_target(target),
        target_port=remote,
        local_port=0 if has_own_address(method or "") else local,
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
    request = UpRequest(forwards=_pinned(forward), source=_source(), environ=caller_environ())
    ensure_daemon(on_demand=True)
    _refuse_what_is_there(forward)
    return bring(request, wait=not no_wait, timeout=timeout, as_json=as_json)


def split_ports(text: str | None) -> tuple[int, int | str | None]:
    """`8080:http`, `http`, `:80`, or nothing where the target has only one port: the local one (0: any free), the remote."""
    local, colon, remote = (text or "").rpartition(":")
    if text is None:
        return 0, None
    port = _remote(remote)
    if colon:
        return (_number(local) if local else 0), port
    if isinstance(port, str):
        return 0, port
    return usual_local_port(port), port


def _remote(text: str) -> int | str:
    if text and not text.isdigit():
        return _checked("port", text, _NAME)
    return _number(text)


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise UsageError(
        f"'{text}' is not a port",
        "a port is a number from 1 to 65535; write LOCAL:REMOTE, for example 8080:80",
    )


def _checked(what: str, text: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(text):
        raise UsageError(f"'{text}' is not a {what}", "use lower-case letters, digits and '-', at most 63")
    return text


def _one_of(what: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise UsageError(f"there is no {what} '{text}'", f"use one of {', '.join(known)}")
    return text


def _target(text: str) -> Target:
    try:
        return Target.parse(text)
    except ValueError as error:
        what, _, fix = str(error).partition(", ")
        raise UsageError(what, fix) from error


def _pinned(forward: Forward) -> list[Forward]:
    from kfw.kubeconfig.pin import pin

    return pin([forward], os.environ.get("KUBECONFIG"))


def _source() -> Source:
    return Source(key=ADDED, cwd=str(Path.cwd()), kubeconfig=os.environ.get("KUBECONFIG"))


def _refuse_what_is_there(forward: Forward) -> None:
    for row in client.status().forwards:
        if row.status in ("stopped", "disabled"):
            continue
        if row.name == forward.name:
            what = f"there is a forward named '{row.name}' already, to {row.namespace}/{row.target}"
            raise UsageError(what, f"take another name, or `kfw remove {row.name}` first")
        if forward.local_port and row.local_port == forward.local_port:
            what = f"cannot listen on {row.local_port}: the forward '{row.name}' has it"
            raise PortInUse(what, f"take another port, or `kfw remove {row.name}` first")
