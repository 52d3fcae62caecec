"""kfw up: start the configured forwards, and say when they really work."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kfw import paths
from kfw.client.launch import ensure_daemon
from kfw.commands import _output as output
from kfw.commands._caller import caller_environ, caller_source
from kfw.commands._names import unknown_name
from kfw.commands._options import Configs, Context, Json, Kubeconfig, Method, Namespace, NoWait, Timeout
from kfw.commands._waiting import TIMEOUT, bring
from kfw.config.settings import Settings
from kfw.errors import UsageError
from kfw.model import Forward
from kfw.names import Selection, few, select
from kfw.protocol import Source, UpRequest
from kfw.system.changes import Stamp, stamp


def up(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Forwards or profiles; all when none is named."),
    ] = None,
    config: Configs = None,
    context: Context = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    method: Method = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="No daemon: until Ctrl+C.")] = False,
    timeout: Timeout = TIMEOUT,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> int:
    """Start the configured forwards and wait until they work.

    It returns when each one is active or has failed.

    Reads the user's config, the nearest kfw.yaml and the files given. What was up from the same files and is no
    longer named there is stopped; with NAMEs only these are touched.

    \b
    kfw up
    kfw up api db --timeout 2m
    kfw up --config shop.yaml --context kind-dev
    """
    flags = {"context": context, "namespace": namespace, "kubeconfig": kubeconfig, "method": method}
    given = {name: value for name, value in flags.items() if value is not None}
    settings = _settings(config or [], given)
    chosen = _chosen(settings, names or [])
    forwards = _forwards(settings, chosen)
    kubeconfigs = _followed_files(forwards)  # before they are read: what changes meanwhile is seen later
    request = UpRequest(
        forwards=_pinned(forwards),
        source=_source(settings, config or [], given),
        replace=chosen is None,
        names=list(chosen.names if chosen else ()),
        profiles=list(chosen.profiles if chosen else ()),
        files={str(file): stamp(str(file)) for file in settings.files} | kubeconfigs,
        environ=caller_environ(),
    )
    if foreground:
        if kubeconfigs:
            output.say(
                "kfw: context: follow needs the daemon: with --foreground the contexts stay as they are now"
            )
        return _foreground(request)
    wanted = settings.daemon
    daemon, is_new = ensure_daemon(
        on_demand=True,
        log_level=wanted.log_level,
        metrics_listen=wanted.metrics_listen,
        notices=wanted.notices,
    )
    if wanted.metrics_listen and daemon.metrics != wanted.metrics_listen and not daemon.warnings:
        output.say("daemon.metricsListen holds from the next start of the daemon on: kfw stop, then kfw up")
    if is_new:
        _say_what_came_back(request)
    return bring(request, wait=not no_wait, timeout=timeout, as_json=as_json)


def _say_what_came_back(request: UpRequest) -> None:
    """A daemon that starts brings back all that was up with the last one, also of other projects."""
    from kfw import client

    ours = {forward.name for forward in request.forwards}
    back = [row.name for row in client.status().forwards if row.name not in ours and row.status != "disabled"]
    if back:
        output.say(f"kfw: also back, as they were up before: {few(back)}; `kfw down --all` stops everything")


def _settings(files: list[Path], flags: dict[str, str]) -> Settings:
    from kfw.config.layers import load

    settings = load(Path.cwd(), config_files=files, flags=flags)
    for warning in settings.warnings:
        output.say(f"kfw: {warning}")
    for profile in settings.selecting_profiles:
        output.say(
            f"kfw: the profile '{profile}' selects by namespace or label, which is not supported yet: left out"
        )
    return settings


def _chosen(settings: Settings, words: list[str]) -> Selection | None:
    """None: all. Raises UsageError."""
    profile_of = {name: forward.profile for name, forward in settings.forwards.items()}
    if not profile_of:
        raise UsageError("no forwards are configured", "`kfw init` writes a kfw.yaml to begin with")
    chosen = select(words, profile_of)
    if chosen.unknown:
        raise unknown_name(chosen.unknown[0], [*profile_of, *filter(None, set(profile_of.values()))])
    return chosen if words else None


def _forwards(settings: Settings, chosen: Selection | None) -> list[Forward]:
    """What is named counts as enabled, by itself or by its profile: whoever names it wants it."""
    forwards = list(settings.forwards.values())
    if chosen is None:
        return forwards
    return [
        replace(forward, enabled=True)
        if forward.name in chosen.names or forward.name in settings.off_by_profile
        else forward
        for forward in forwards
        if chosen.has(forward.name, forward.profile)
    ]


def _pinned(forwards: Iterable[Forward]) -> list[Forward]:
    from kfw.kubeconfig.pin import pin

    return pin(forwards, os.environ.get("KUBECONFIG"))


def _followed_files(forwards: Iterable[Forward]) -> dict[str, Stamp]:
    from kfw.kubeconfig.pin import followed_files

    return followed_files(forwards, os.environ.get("KUBECONFIG"))


def _source(settings: Settings, files: list[Path], flags: dict[str, str]) -> Source:
    """One `up` without names replaces what came from the same project, or without one from the same --config."""
    here = [str(Path.cwd() / file) for file in files]
    key = str(settings.project_file or (here[-1] if here else paths.config_file()))
    return Source(
        key=key,
        project=caller_source(),
        cwd=str(Path.cwd()),
        config_files=here,
        flags=flags,
        kubeconfig=os.environ.get("KUBECONFIG"),
    )


def _foreground(request: UpRequest) -> int:
    """Ctrl+C ends it; the daemon's code is asked for only here."""
    import time

    import msgspec

    from kfw import view
    from kfw.daemon.run import foreground
    from kfw.protocol import ForwardStatus

    def tell(kind: str, row: ForwardStatus) -> None:
        if kind == "status":
            output.say(view.change_line(msgspec.to_builtins(row), time.time()))

    code = foreground(request, tell)
    output.say("forwards stopped")
    return code
