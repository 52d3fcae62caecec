"""kfw up: start the configured forwards, and say when they really work."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kfw import paths
from kfw.client.launch import ensure_daemon
from kfw.commands import _output as output
from kfw.commands._caller import caller_environ, caller_source, refreshed
from kfw.commands._handover import offer
from kfw.commands._names import no_forwards, unknown_name
from kfw.commands._options import (
    Configs,
    ConfigUrl,
    Context,
    Json,
    Kubeconfig,
    Method,
    Namespace,
    NoWait,
    Timeout,
)
from kfw.commands._waiting import TIMEOUT, Row, bring, exit_code, settled
from kfw.commands.update import begin_check
from kfw.config.settings import Settings
from kfw.errors import DaemonNotRunning, UsageError
from kfw.model import Forward, SelectingProfile
from kfw.names import Selection, few, projects_named, select, short_projects
from kfw.protocol import Source, UpRequest
from kfw.system.changes import Stamp, stamp


def up(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Forwards or profiles; all when none is named."),
    ] = None,
    config: Configs = None,
    config_url: ConfigUrl = None,
    context: Context = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    method: Method = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Run without the daemon, until Ctrl+C.")
    ] = False,
    timeout: Timeout = TIMEOUT,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> int:
    """Start the configured forwards and wait until they work.

    It returns when each one is active or has failed.

    Reads the user's config, the nearest kfw.yaml and the files given. Forwards that these files no
    longer name are stopped; with NAMEs only those are touched.

    \b
    kfw up
    kfw up api db --timeout 2m
    kfw up --config shop.yaml --context kind-dev
    """
    flags = {"context": context, "namespace": namespace, "kubeconfig": kubeconfig, "method": method}
    settings, request = request_for(names or [], config or [], flags, config_url)
    begin_check(wanted=settings.updates)
    if foreground:
        _say_what_needs_the_daemon(request)
        return _foreground(request, as_json=as_json)
    start_daemon(settings, request)
    return bring(request, wait=not no_wait, timeout=timeout, as_json=as_json)


def request_for(
    names: list[str], files: list[Path], flags: Mapping[str, str | None], config_url: str | None = None
) -> tuple[Settings, UpRequest]:
    """What is configured for these names, and how it is asked for. Raises UsageError, and ConfigError with all problems."""
    given = {name: value for name, value in flags.items() if value is not None}
    url = refreshed(config_url)
    settings = _settings(files, given, url)
    source = _source(settings, files, given, url)
    key = source.key
    chosen = _chosen(settings, [_in_project(word, key) for word in names], key)
    _refuse_flags_for_selected(settings, chosen, given)
    forwards = _forwards(settings, chosen)
    # Before they are read: what changes meanwhile is seen later.
    kubeconfigs = _followed_files([*forwards, *(one.template for one in settings.selections.values())])
    request = UpRequest(
        forwards=_pinned(forwards),
        source=source,
        replace=chosen is None,
        names=[
            name for name in (chosen.names if chosen else ()) if name not in map(_any_of, settings.selections)
        ],
        profiles=[*chosen.profiles, *_profiles_meant(settings, chosen)] if chosen else [],
        selections=_pinned_selections(settings, chosen),
        files={str(file): stamp(str(file)) for file in settings.files} | kubeconfigs,
        environ=caller_environ(),
    )
    return settings, request


def start_daemon(settings: Settings, request: UpRequest) -> bool:
    """If there is none: then True. Says what else comes back with it."""
    wanted = settings.daemon
    daemon, is_new = ensure_daemon(
        on_demand=True,
        log_level=wanted.log_level,
        metrics_listen=wanted.metrics_listen,
        notices=wanted.notices,
    )
    if wanted.metrics_listen and daemon.metrics != wanted.metrics_listen and not daemon.warnings:
        output.say("daemon.metricsListen takes effect when the daemon next starts: kfw stop, then kfw up")
    if not is_new:
        offer(daemon)
    else:
        _say_what_came_back(request)
    return is_new


def _say_what_came_back(request: UpRequest) -> None:
    """A daemon that starts brings back all that was up with the last one, also of other projects."""
    from kfw import client

    ours = {forward.name for forward in request.forwards}
    back = [
        row.shown
        for row in client.status().forwards
        if row.status != "disabled" and not (row.name in ours and row.project in (request.source.key, ""))
    ]
    if back:
        output.say(
            f"kfw: also started, as they were up before: {few(back)}; `kfw down --all` stops everything"
        )


def _settings(files: list[Path], flags: dict[str, str], config_url: str) -> Settings:
    from kfw.config.layers import load

    settings = load(Path.cwd(), config_files=files, flags=flags, config_url=config_url)
    for warning in settings.warnings:
        output.say(f"kfw: {warning}")
    if settings.unused:
        words = dict.fromkeys(each.word for each in settings.unused)
        check = " ".join(["kfw config check", *map(str, files)])
        output.say(
            f"kfw: the configuration has settings that kfw does not act on yet: {few(words)}; `{check}` shows where"
        )
    return settings


def _in_project(word: str, key: str) -> str:
    """`shop/api` is `api` in the project shop. Raises UsageError for another project: its files are not read here."""
    prefix, slash, name = word.rpartition("/")
    if not slash:
        return word
    if key not in projects_named(prefix, [key]):
        what = f"'{word}' is not in this project, {short_projects([key])[key]}"
        raise UsageError(what, f"run `kfw up {name}` in the folder of its kfw.yaml, or `kfw enable {word}`")
    return name


def _chosen(settings: Settings, words: list[str], key: str) -> Selection | None:
    """`key`: of the project. None: all. Raises UsageError."""
    profile_of = {name: forward.profile for name, forward in settings.forwards.items()}
    profile_of |= {_any_of(profile): profile for profile in settings.selections}
    if not profile_of:
        raise no_forwards(settings)
    chosen = select(words, profile_of)
    if chosen.unknown:
        profile_of |= _selected(settings, key)
        chosen = select(words, profile_of)
    if chosen.unknown:
        known = [*settings.forwards, *filter(None, set(profile_of.values()))]
        raise unknown_name(chosen.unknown[0], known)
    return chosen if words else None


def _any_of(profile: str) -> str:
    """Stands for the forwards of a profile that selects, whose names are known in the cluster."""
    return f"{profile} *"


def _profiles_meant(settings: Settings, chosen: Selection) -> list[str]:
    """By a pattern that is about the names of forwards."""
    return [name for name in settings.selections if _any_of(name) in chosen.names]


def _selected(settings: Settings, key: str) -> dict[str, str | None]:
    """What the profiles of this config have selected so far, as the daemon has it."""
    from kfw import client

    try:
        rows = client.status().forwards
    except DaemonNotRunning:
        return {}
    own = (row for row in rows if row.project in (key, ""))
    return {row.name: row.profile for row in own if row.profile in settings.selections}


def _refuse_flags_for_selected(
    settings: Settings, chosen: Selection | None, flags: Mapping[str, str]
) -> None:
    """What a profile selects is all in its cluster, by its method."""
    own = {*settings.forwards, *map(_any_of, settings.selections)}
    selected = [name for name in (chosen.names if chosen else ()) if name not in own]
    if selected and flags:
        what = f"'{selected[0]}' is selected by its profile, which takes --{next(iter(flags))} only for all of its forwards"
        raise UsageError(what, "name the profile in place of the forward")


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


def _pinned_selections(settings: Settings, chosen: Selection | None) -> list[SelectingProfile]:
    """Who names a profile, or a pattern that is about it, wants it enabled."""
    found = [
        one if chosen is None else replace(one, template=replace(one.template, enabled=True))
        for name, one in settings.selections.items()
        if chosen is None or name in chosen.profiles or name in _profiles_meant(settings, chosen)
    ]
    pinned = _pinned(one.template for one in found)
    return [replace(one, template=template) for one, template in zip(found, pinned, strict=True)]


def _pinned(forwards: Iterable[Forward]) -> list[Forward]:
    from kfw.kubeconfig.pin import pin

    return pin(forwards, os.environ.get("KUBECONFIG"))


def _followed_files(forwards: Iterable[Forward]) -> dict[str, Stamp]:
    from kfw.kubeconfig.pin import followed_files

    return followed_files(forwards, os.environ.get("KUBECONFIG"))


def _source(settings: Settings, files: list[Path], flags: dict[str, str], config_url: str) -> Source:
    """One `up` without names replaces what came from the same project, or without one from the same --config."""
    here = [str(Path.cwd() / file) for file in files]
    key = str(settings.project_file or (here[-1] if here else paths.config_file()))
    return Source(
        key=key,
        project=caller_source(),
        cwd=str(Path.cwd()),
        config_files=here,
        flags=flags,
        config_url=config_url,
        kubeconfig=os.environ.get("KUBECONFIG"),
    )


def _say_what_needs_the_daemon(request: UpRequest) -> None:
    if any(forward.context_follows for forward in request.forwards):
        output.say(
            "kfw: context: follow needs the daemon: with --foreground the contexts stay as they are now"
        )


def _foreground(request: UpRequest, *, as_json: bool) -> int:
    """Until Ctrl+C, or until it is clear that nothing can be started; the daemon's code is asked for only here. A profile
    that selects may have something later."""
    import time

    import msgspec

    from kfw import view
    from kfw.daemon.foreground import foreground
    from kfw.protocol import ForwardStatus

    first = FirstVerdicts(forward.name for forward in request.forwards if forward.enabled)
    selects = any(one.template.enabled for one in request.selections)

    def tell(kind: str, row: ForwardStatus) -> None:
        if kind == "status":
            first.hear(msgspec.to_builtins(row))
            output.say(view.change_line(msgspec.to_builtins(row), time.time()))

    def is_hopeless() -> bool:
        return first.are_all_errors() and not selects

    foreground(request, tell, is_hopeless)
    code = exit_code(first.rows.values()) if is_hopeless() else 0
    output.say("nothing can be started" if code else "forwards stopped")
    if as_json:
        output.show_json({"forwards": list(first.rows.values())})
    return code


class FirstVerdicts:
    """What was said first of each forward that was to come up: where all are errors, there is nothing to wait for. What
    fails later may come back."""

    def __init__(self, names: Iterable[str]) -> None:
        self._missing = set(names)
        self._all_errors = False
        self.rows: dict[str, Row] = {}

    def hear(self, row: Row) -> None:
        self.rows[row["name"]] = row
        if row["name"] in self._missing and settled(row):
            self._missing.discard(row["name"])
            self._all_errors = not self._missing and all(
                each["status"] in ("error", "disabled") for each in self.rows.values()
            )

    def are_all_errors(self) -> bool:
        return self._all_errors
