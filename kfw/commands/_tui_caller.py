"""What the terminal app asks of files, kubeconfigs and the environment: the same that the commands ask."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kfw import paths
from kfw.choices import listed, usual_local_port
from kfw.commands._add_words import additions
from kfw.commands._caller import caller_environ, caller_project, names_source
from kfw.errors import KfwError
from kfw.system.log_lines import about, last_lines
from kfw.tui.caller import Caller, Look, NewForward, Offers

if TYPE_CHECKING:
    from kfw.protocol import UpRequest
    from kfw.target.inventory import ListedPort

#: Of the log, about one forward.
_LINES = 200


def caller() -> Caller:
    environ = caller_environ()
    return Caller(
        project=caller_project(),
        environ=environ,
        source=names_source(),
        preview=preview,
        request=lambda wanted: _request(wanted, environ),
        contexts=_contexts,
        targets=_targets,
        log_tail=_log_tail,
    )


def look() -> Look:
    """Files that are wrong are no reason not to look at what runs."""
    from kfw.config.layers import load
    from kfw.tui.themes import NAMES

    try:
        ui = load(Path.cwd()).ui
    except KfwError as error:
        return Look(warning=f"the configuration cannot be read, `kfw config check` says why: {error.what}")
    if ui.theme not in NAMES:
        return Look(NAMES[0], ui.refresh_rate, f"unknown theme '{ui.theme}'; use {listed(NAMES)}")
    return Look(ui.theme, ui.refresh_rate)


def preview(words: Sequence[str]) -> tuple[str, int | None]:
    """What would come of them, and on which local port if that is known. Raises UsageError."""
    (one, *_) = additions(words)
    remote = "its port" if one.remote is None else str(one.remote)
    if one.local == 0:
        return f"{one.name}: {remote} of {one.target} on a free port of localhost", None
    local = one.local or (usual_local_port(one.remote) if isinstance(one.remote, int) else None)
    if local is None:
        return f"{one.name}: {remote} of {one.target}, on the same local port or nearby", None
    return f"{one.name}: {remote} of {one.target} on localhost:{local}", local


def _request(wanted: NewForward, environ: dict[str, str]) -> UpRequest:
    from kfw.client.launch import ensure_daemon
    from kfw.commands.add import common_of, refuse_what_is_there, request_of

    common = replace(
        common_of(wanted.namespace or None, wanted.context or None, None, wanted.method),
        on_port_in_use="next" if wanted.next_port else "error",
    )
    request = request_of(wanted.words, common, environ)
    ensure_daemon(on_demand=True)
    refuse_what_is_there(request)
    return request


def _contexts() -> tuple[str, list[str]]:
    from kfw.kubeconfig.load import default_files, load

    known = load(default_files(os.environ.get("KUBECONFIG")))
    return known.current_context, sorted(known.contexts)


def _targets(context: str, namespace: str) -> Offers:
    from kfw.kubeconfig.load import default_files, load
    from kfw.kubeconfig.pin import current_context
    from kfw.system.loop import run
    from kfw.target.listing import find_targets

    known = load(default_files(os.environ.get("KUBECONFIG")))
    access = known.access(context or current_context(known))
    where = namespace or access.namespace
    found = run(find_targets(access, where, "")).targets
    into_pods = all(one.may_forward is not False for one in found)
    offered = [one for one in found if into_pods or one.target.startswith("service/")]
    ports = {one.target: [_port_in_words(port) for port in one.ports] for one in offered}
    return Offers(where, ports, into_pods)


def _port_in_words(port: ListedPort) -> str:
    return f"{port.number} ({port.name})" if port.name else str(port.number)


def _log_tail(name: str) -> list[str]:
    from kfw.commands.logs import as_logged, on_screen  # and typer

    keep = about(as_logged(name))
    return [on_screen(line) for line in last_lines(paths.log_file(), _LINES, keep)]
