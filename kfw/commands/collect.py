"""kfw collect: figures of the services behind forwards, as events for a log."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kfw.commands import _output as output
from kfw.commands._options import Configs, duration
from kfw.errors import KfwError, UsageError

if TYPE_CHECKING:
    from kfw.collector.usage_events import UsageEvent
    from kfw.config.collector_block import CollectorSettings

#: Seconds until `--every` tries again what was not complete.
_AGAIN = 300.0


def collect(
    once: Annotated[
        bool, typer.Option("--once", help="Collect once and exit; the default without --every.")
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(
            parser=duration, metavar="TIME", help="Keep running and collect this often, such as 24h."
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="json or text; else what the config says.")
    ] = "",
    output_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append the events to this file; - is stdout.")
    ] = None,
    tenant_id: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this tenant. Repeatable.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Collect again what was collected already.")] = False,
    bucket_duration: Annotated[
        float | None,
        typer.Option(parser=duration, metavar="TIME", help="The time that one event covers; usually 24h."),
    ] = None,
    systemd_timer: Annotated[
        bool, typer.Option("--systemd-timer", help="Print the units that run it every day, and exit.")
    ] = False,
    config: Configs = None,
) -> int:
    """Collect figures from services behind forwards, as JSON events.

    The block `collector:` of the config says what to ask for, and where. Each event covers the last complete period,
    and is written once. Exit code 1 if something is missing; the next run asks for it again.

    \b
    kfw collect --once
    kfw collect --every 24h --output-file /var/log/usage.log
    kfw collect --tenant-id acme --force --format text
    """
    if systemd_timer:
        output.show(_systemd_units(config or []))
        return 0
    if once and every is not None:
        raise UsageError("--once and --every cannot be used together", "keep one of them")
    if form not in ("", "json", "text"):
        raise UsageError(f"--format is '{form}'", "write json or text")
    if every is not None and every < 1:
        raise UsageError("--every is less than a second", "write for example --every 24h")

    def run() -> int:
        settings = _settings(config or [])
        settings = replace(
            settings,
            format=form or settings.format,
            destination=_destination(output_file) or settings.destination,
            bucket=float(bucket_duration or settings.bucket),
        )
        return _collect(settings, tuple(tenant_id or settings.tenants), force=force)

    return run() if every is None else _for_ever(run, every)


def _settings(config: list[Path]) -> "CollectorSettings":
    """Raises UsageError when there is nothing to collect."""
    from kfw.config.layers import load

    settings = load(Path.cwd(), config_files=config).collector
    if not settings.enabled:
        raise UsageError("the collector is disabled", "write collector: {enabled: true} in the config")
    if not settings.figures:
        raise UsageError(
            "the config names nothing to collect",
            "write collector: with services or metrics, see docs/collect.md",
        )
    return settings


def _destination(file: Path | None) -> str:
    return "" if file is None else "stdout" if str(file) == "-" else str(file.absolute())


def _collect(settings: "CollectorSettings", tenants: tuple[str, ...], *, force: bool) -> int:
    from kfw import paths
    from kfw.collector.collected import open_record
    from kfw.collector.collection import Backends, Collection, is_id
    from kfw.collector.usage_events import last_complete
    from kfw.system.files import make_private_dir

    if not tenants:
        raise UsageError("no tenant is named", "write collector.tenants in the config, or --tenant-id ID")
    if not all(map(is_id, tenants)):
        raise UsageError("the id of a tenant is empty or not UTF-8", "write it as the services know it")
    state = (
        Path(settings.state_file)
        if settings.state_file
        else make_private_dir(paths.state_dir()) / "collected.json"
    )
    locate = _forwards(settings)
    with open_record(state) as record, Backends(locate, settings.timeout) as backends:
        bucket = last_complete(datetime.now(UTC), settings.bucket)
        work = Collection(settings, backends, _emitter(settings), _warn)
        outcome = work.run(tuple(dict.fromkeys(tenants)), bucket, record, force=force)
    return 1 if outcome.incomplete else 0


def _warn(sentence: str) -> None:
    output.say(f"kfw: {sentence}")


def _emitter(settings: "CollectorSettings") -> Callable[["UsageEvent"], None]:
    from kfw.collector.usage_events import as_json, as_text
    from kfw.system.files import append

    shown = as_json if settings.format == "json" else as_text

    def emit(event: "UsageEvent") -> None:
        if settings.destination == "stdout":
            output.show(shown(event))
        else:
            append(Path(settings.destination), f"{shown(event)}\n".encode())

    return emit


def _forwards(settings: "CollectorSettings") -> Callable[[str], str]:
    """Where each forward that is asked through listens. Raises DaemonNotRunning where one is named and none can be up."""
    from kfw import client
    from kfw.system.local_ports import address_to_connect

    where = [settings.workspaces.question] if settings.workspaces else []
    named = any(one.forward for one in (*where, *(figure.question for figure in settings.figures)))
    rows = client.status().forwards if named else []

    def locate(name: str) -> str:
        found = [row for row in rows if name in (row.name, row.display_name)]
        if len(found) != 1:
            many = (
                f"there are {len(found)} forwards '{name}'"
                if found
                else f"cannot find a forward named '{name}'"
            )
            raise KfwError(many, f"`kfw up {name}`, or name it as `kfw status` does")
        row = found[0]
        if row.status not in ("active", "degraded"):
            raise KfwError(f"the forward {name} is {row.status}{f': {row.message}' if row.message else ''}")
        address = address_to_connect((row.local_addresses or [""])[0])
        return f"[{address}]:{row.local_port}" if ":" in address else f"{address}:{row.local_port}"

    return locate


def _for_ever(run: Callable[[], int], every: float) -> int:
    """Sooner again after a run that was not complete. A config that is wrong ends it; what may pass does not."""
    while True:
        began = time.monotonic()
        try:
            complete = run() == 0
        except UsageError:
            raise
        except KfwError as error:
            _warn(f"{error.what}{f', {error.fix}' if error.fix else ''}")
            complete = False
        pause = every if complete else min(every, _AGAIN)
        sys.stderr.flush()
        time.sleep(max(0.0, began + pause - time.monotonic()))


def _systemd_units(config: list[Path]) -> str:
    """With the files that are read here and now: a timer has no working directory of the user's."""
    import os

    from kfw.client.launch import this_kfw
    from kfw.config.layers import load
    from kfw.system.service_units import UserService, collect_units, environ_for

    python, folder = this_kfw()
    project = load(Path.cwd(), config_files=config).project_file
    files = [str(file.absolute()) for file in (*([project] if project else []), *config)]
    argv = (python, *(() if folder else ("-P",)), "-m", "kfw", "collect", "--once")
    words = (word for file in files for word in ("--config", file))
    return collect_units(UserService((*argv, *words), folder, environ_for([], os.environ)))
