"""From the options of `kfw bootstrap` to a run of its stages, and what is shown at its end."""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import typer

from kfw import client
from kfw.commands import _output as output
from kfw.errors import DaemonNotRunning, UsageError
from kfw.protocol import ForwardStatus
from kfw.quickstart import checks
from kfw.quickstart.bootstrap import Bootstrap
from kfw.quickstart.checks import Finding
from kfw.quickstart.forwarding import project, ways
from kfw.quickstart.options import BootstrapOptions, Namespaces, Where
from kfw.quickstart.steps import Steps


def where(sandbox: bool, kind: bool) -> Where:
    if sandbox and kind:
        raise UsageError("--sandbox and --kind cannot be used together", "use only one of them")
    return Where.SANDBOX if sandbox else Where.KIND if kind else Where.AUTO


def options(
    *,
    cluster_name: str | None = None,
    worker_node: str | None = None,
    spaces: Sequence[str | None] = (None, None, None),
    config: Path | None = None,
    services: Path | None = None,
    kind_config: Path | None = None,
    **others: Any,
) -> BootstrapOptions:
    """What is None stays as it is by default. Raises UsageError for a file that cannot be read."""
    names = dict(zip(("amp", "observability", "data_plane"), spaces, strict=True))
    files = {"config": config, "services": services, "kind_config": kind_config}
    given: dict[str, Any] = {key: _readable(file) for key, file in files.items()}
    given |= {"cluster_name": cluster_name, "worker_node": worker_node}
    return BootstrapOptions(
        namespaces=Namespaces(**{key: name for key, name in names.items() if name}),
        **{key: value for key, value in given.items() if value},
        **others,
    )


def _readable(file: Path | None) -> Path | None:
    if file is not None and not file.is_file():
        raise UsageError(f"cannot read {file}: it does not exist")
    return file.absolute() if file else None


def steps(*, yes: bool = False, dry: bool = False, verbose: bool = False) -> Steps:
    return Steps(
        say=lambda text: output.say(f"bootstrap: {text}"),
        show=output.show,
        agree=lambda question: yes or _agreed(question),
        dry=dry,
        verbose=verbose,
        kfw=_kfw,
    )


def _kfw(argv: Sequence[str]) -> int:
    """stdout is for the URLs. What `up` shows at its end is left out: verify shows the same and more."""
    from kfw.commands._group import run_command

    with Path(os.devnull).open("w") as nowhere:
        with redirect_stdout(nowhere if argv[0] == "up" else sys.stderr):
            return run_command(argv)


def _agreed(question: str) -> bool:
    """Only a person at a terminal can."""
    if not output.is_terminal(sys.stdin):
        return False
    return typer.confirm(f"bootstrap: {question}?", default=True, err=True)


def said_yes(question: str) -> bool:
    """A literal yes, as for everything that cannot be taken back."""
    if not output.is_terminal(sys.stdin):
        raise UsageError(f"cannot ask whether to {question}: this is not a terminal", "add --yes")
    answer = typer.prompt(f"bootstrap: {question}? yes or no", default="no", err=True, show_default=False)
    return str(answer).strip() == "yes"


def report(findings: Iterable[Finding]) -> int:
    """The findings on stdout; the exit code of the error among them."""
    found = list(findings)
    output.show("\n".join(checks.lines(found)))
    worst = checks.first_error(found)
    return worst.exit_code if worst else 0


def since(options: BootstrapOptions) -> dict[str, str]:
    """What of it is up, and since when; nothing when there is no daemon."""
    return {name: row.since for name, row in _up(options).items()}


def show(run: Bootstrap, before: dict[str, str]) -> None:
    """The ways they go, and that nothing changed, on stderr; names and URLs on stdout, but not where people have just read
    them."""
    up = _up(run.options)
    explained = {name: client.explain(name, row.project) for name, row in up.items()}
    for line in ways(up, explained):
        run.steps.say(line)
    if before and before == since(run.options):
        run.steps.say("nothing changed")
    if not output.is_terminal(sys.stdout):
        for name, row in up.items():
            output.show(f"{name}\t{row.url}")


def _up(options: BootstrapOptions) -> dict[str, ForwardStatus]:
    try:
        rows = client.status().forwards
    except DaemonNotRunning:
        return {}
    own = project(options)
    return {row.name: row for row in rows if row.project == own and row.url}
