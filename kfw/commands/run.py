"""kfw run: forwards for the time of one command."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import typer
from typer.core import TyperCommand

from kfw import client
from kfw.client.launch import ensure_daemon
from kfw.commands import _output as output
from kfw.commands._options import Configs, ConfigUrl, Context, Kubeconfig, Method, Names, Namespace, Timeout
from kfw.commands._waiting import (
    TIMEOUT,
    Row,
    Rows,
    names_in,
    rows_for,
    rows_of_project,
    say_what_stays,
    wait_until_settled,
)
from kfw.commands.up import request_for, start_daemon
from kfw.config.templates import filled
from kfw.errors import DaemonNotRunning, KfwError, UsageError
from kfw.names import few
from kfw.protocol import ForwardStatus, UpReply, UpRequest
from kfw.system.foreground_command import CommandSignals, check_command
from kfw.view import address

_BEHIND_DASHES = "kfw.run.command"


class Command(TyperCommand):
    """What is behind the first `--` belongs to the command, whatever it looks like."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own, behind = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        ctx.meta[_BEHIND_DASHES] = behind
        return super().parse_args(ctx, own)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "-- COMMAND [ARG]..."]


def run(
    ctx: typer.Context,
    names: Names = None,
    config: Configs = None,
    config_url: ConfigUrl = None,
    context: Context = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    method: Method = None,
    timeout: Timeout = TIMEOUT,
) -> int:
    """Run a command while forwards are up.

    The command starts when all are active, with KFW_<NAME>_HOST, KFW_<NAME>_PORT and KFW_<NAME>_URL of each and the
    variables of its `env` in the config. When it ends, forwards that were not up before are stopped again. The exit
    code is the command's. If a forward does not come up, the command is not run, and the exit code is that of `kfw
    up`.

    \b
    kfw run -- pytest
    kfw run db -- psql -h localhost -p 5432
    kfw run api db --timeout 2m -- make integration-tests
    """
    command: list[str] = ctx.meta.get(_BEHIND_DASHES, [])
    if not command:
        raise UsageError(
            "the command to run is missing", "write it behind --, for example: kfw run -- pytest"
        )
    check_command(command, os.environ.get("PATH"))
    flags = {"context": context, "namespace": namespace, "kubeconfig": kubeconfig, "method": method}
    settings, request = request_for(names or [], config or [], flags, config_url)
    variables_of(request, settings.variables, {})  # what is wrong is said before anything is done
    is_new = start_daemon(settings, request)
    with CommandSignals() as signals:
        forwards = ForwardsOfCommand(request, signals, is_new=is_new)
        try:
            return forwards.run(command, settings.variables, timeout)
        finally:
            signals.ignore()
            forwards.take_back()


class ForwardsOfCommand:
    """What is brought up for a command, and taken back after it."""

    def __init__(self, request: UpRequest, signals: CommandSignals, *, is_new: bool) -> None:
        # Never in place of what else is up from the same files.
        self._request = without_replacing(request)
        self._project = request.source.key
        self._signals = signals
        self._brought: list[str] = []
        #: Rows that were there before and stay, stopped.
        self._kept = set[str]()
        self._is_new = is_new

    def run(self, command: Sequence[str], variables: Mapping[str, Mapping[str, str]], timeout: float) -> int:
        before = self._own(client.status().forwards)
        say_what_stays(self._request, before)
        self._kept = set(before)
        was_up = {name for name, row in before.items() if row.status not in ("stopped", "disabled")}
        # Also of what is interrupted before the daemon's answer is here.
        self._brought = [forward.name for forward in self._request.forwards if forward.name not in was_up]
        reply = client.up(self._request)
        self._brought = brought_by(reply, self._brought)
        names = [forward.name for forward in self._request.forwards if forward.enabled]
        there = rows_for(self._request, reply, client.status().forwards)
        if code := wait_until_settled([there[name] for name in names if name in there], timeout):
            output.say(f"kfw: {command[0]} was not run: not all forwards are active")
            return code
        now = rows_for(self._request, reply, client.status().forwards)
        rows = {name: msgspec.to_builtins(row) for name, row in now.items() if name in names}
        found = variables_of(self._request, variables, rows)
        return self._signals.run(command, {**os.environ, **found})

    def take_back(self) -> None:
        if not self._brought:
            return
        try:
            self._stop()
        except DaemonNotRunning:  # it has them on disk, and would bring them back
            ensure_daemon(on_demand=True)
            self._stop()
        except KfwError as error:
            output.say(f"kfw: cannot stop {few(self._brought)}: {error.what}")

    def _stop(self) -> None:
        there = self._own(client.status().forwards)
        old = [name for name in self._brought if name in there and (name in self._kept or self._is_new)]
        new = [name for name in self._brought if name in there and name not in old]
        if new:
            client.remove(new, self._project)
        if old:
            client.down(old, self._project)

    def _own(self, rows: Iterable[ForwardStatus]) -> Rows:
        return rows_of_project(self._project, rows)


def without_replacing(request: UpRequest) -> UpRequest:
    return msgspec.structs.replace(request, replace=False)


def brought_by(reply: UpReply, expected: Sequence[str]) -> list[str]:
    """What a new daemon brought back at the same moment is not ours: it was up before. Nor is what another project has,
    word for word."""
    before = set(names_in(reply.unchanged))
    return [name for name in expected if name not in before]


def variables_of(
    request: UpRequest, configured: Mapping[str, Mapping[str, str]], rows: Mapping[str, Row]
) -> dict[str, str]:
    """For the command. Raises UsageError where two forwards of it have one variable."""
    found: dict[str, str] = {}
    owner: dict[str, str] = {}
    for forward in request.forwards:
        if not forward.enabled:
            continue
        values = places(rows[forward.name]) if forward.name in rows else {}
        for variable, text in (own_variables(values) | dict(configured.get(forward.name, {}))).items():
            if variable in owner:
                what = f"two forwards set the variable {variable}: {owner[variable]} and {forward.name}"
                raise UsageError(what, "give one of them another name, or name the forwards that you want")
            owner[variable] = forward.name
            found[variable] = filled(text, values)
    return found


def places(row: Row) -> dict[str, str]:
    """What the words in braces stand for."""
    host, port = address(row)
    if host in ("0.0.0.0", "::"):  # as in a container: to listen on, not to connect to
        host = "localhost"
    shown = f"[{host}]" if ":" in host else host
    url = str(row.get("url") or f"tcp://{shown}:{port}")
    return {"host": host, "port": str(port), "url": url, "name": str(row["name"])}


def own_variables(values: Mapping[str, str]) -> dict[str, str]:
    if not values:
        return {}
    stem = "KFW_" + values["name"].upper().replace("-", "_")
    return {f"{stem}_{place.upper()}": values[place] for place in ("host", "port", "url")}
