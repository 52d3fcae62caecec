"""kfw bootstrap: from a machine with docker and kind, or with neither, to the quick start's services on localhost."""

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from kfw.commands import output

if TYPE_CHECKING:
    from kfw.bootstrap.bootstrap import Bootstrap
    from kfw.bootstrap.options import Options
    from kfw.bootstrap.steps import Steps


class AllByDefault(TyperGroup):
    """`kfw bootstrap --yes` is `kfw bootstrap all --yes`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["all", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=AllByDefault,
    rich_markup_mode=None,
    add_completion=False,
    help="Bring the quick start's services to localhost: a cluster, what runs in it, the forwards. Alone: all of it.",
)

# Options that several verbs share, with the environment variables of the quick start.
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
Dry = Annotated[
    bool, typer.Option("--dry-run", help="Print the command lines that would run; change nothing.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", envvar="VERBOSE", help="Show the commands and what they say.")
]
Name = Annotated[
    str | None,
    typer.Option(
        "--cluster-name", metavar="NAME", envvar="CLUSTER_NAME", help="The kind cluster: openchoreo-local."
    ),
]
Worker = Annotated[
    str | None, typer.Option(metavar="NAME", envvar="WORKER_NODE", help="A node that must be there.")
]
AmpNs = Annotated[str | None, typer.Option(metavar="NAME", envvar="AMP_NS", help="Instead of wso2-amp.")]
ObservabilityNs = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", envvar="OBSERVABILITY_NS", help="Instead of openchoreo-observability-plane."
    ),
]
DataPlaneNs = Annotated[
    str | None,
    typer.Option(metavar="NAME", envvar="DATA_PLANE_NS", help="Instead of openchoreo-data-plane."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-f", metavar="FILE", help="Other forwards than quick-start/kfw.yaml."),
]
Services = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Other stand-ins than quick-start/services.yaml.")
]
KindConfig = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Another cluster than quick-start/kind-config.yaml.")
]
Image = Annotated[
    str | None,
    typer.Option(
        "--image", metavar="IMAGE", envvar="SERVICES_IMAGE", help="Another image for the stand-ins."
    ),
]
Values = Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Values for helm. Repeatable.")]
SkipKind = Annotated[bool, typer.Option(envvar="SKIP_KIND", help="Make and start no cluster.")]
SkipOpenChoreo = Annotated[
    bool, typer.Option("--skip-openchoreo", envvar="SKIP_OPENCHOREO", help="No helm: stand-ins.")
]
Minimal = Annotated[
    bool,
    typer.Option("--minimal", "--core-only", envvar="MINIMAL_MODE", help="Only what the five services need."),
]
UseContext = Annotated[
    bool, typer.Option("--use-context", help="Also make it the current context of your kubeconfig.")
]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="The embedded sandbox, whatever there is.")]
OnlyKind = Annotated[bool, typer.Option("--kind", help="A kind cluster or an error, never the sandbox.")]


@app.command("all")
def everything(
    yes: Yes = False,
    dry_run: Dry = False,
    verbose: Verbose = False,
    sandbox: Sandbox = False,
    kind: OnlyKind = False,
    skip_kind: SkipKind = False,
    skip_openchoreo: SkipOpenChoreo = False,
    minimal: Minimal = False,
    no_services: Annotated[
        bool, typer.Option("--no-services", help="Install nothing, no stand-ins either.")
    ] = False,
    port_forward: Annotated[
        bool, typer.Option(envvar="AUTO_PORT_FORWARD", help="Bring up the forwards.")
    ] = True,
    foreground: Annotated[bool, typer.Option("--foreground", help="The forwards end with Ctrl+C.")] = False,
    use_context: UseContext = False,
    cluster_name: Name = None,
    worker_node: Worker = None,
    amp_ns: AmpNs = None,
    observability_ns: ObservabilityNs = None,
    data_plane_ns: DataPlaneNs = None,
    config: Config = None,
    services: Services = None,
    kind_config: KindConfig = None,
    image: Image = None,
    values: Values = None,
) -> int:
    """Prerequisites, cluster, kubeconfig, platform, forwards, verification. Running it again changes nothing.

    Prints name and URL of each forward that is up.

    \b
    kfw bootstrap --yes
    kfw bootstrap --sandbox
    kfw bootstrap --dry-run --skip-openchoreo
    """
    run = _bootstrap(
        _options(
            _where(sandbox, kind),
            cluster_name=cluster_name,
            worker_node=worker_node,
            spaces=(amp_ns, observability_ns, data_plane_ns),
            files=(config, services, kind_config),
            skip_kind=skip_kind,
            skip_openchoreo=skip_openchoreo or no_services,
            minimal=minimal,
            port_forward=port_forward,
            use_context=use_context,
            image=image or "",
            values=tuple(values or ()),
        ),
        _steps(yes=yes, dry=dry_run, verbose=verbose),
    )
    before = _since()
    found = run.pick()
    run.platform(found, stand_ins=not no_services)
    if not port_forward:
        return 0
    code = run.forwards(found, foreground=foreground)
    if not dry_run and not foreground:
        _show(run, before)
    return code


@app.command()
def kind(
    yes: Yes = False,
    dry_run: Dry = False,
    verbose: Verbose = False,
    skip_kind: SkipKind = False,
    use_context: UseContext = False,
    cluster_name: Name = None,
    worker_node: Worker = None,
    services: Services = None,
    kind_config: KindConfig = None,
    config: Config = None,
) -> int:
    """Only the cluster: make it, or start what stands still of it; print the path of its kubeconfig.

    \b
    export KUBECONFIG=$(kfw bootstrap kind)
    """
    run = _bootstrap(
        _options(
            "kind",
            cluster_name=cluster_name,
            worker_node=worker_node,
            files=(config, services, kind_config),
            skip_kind=skip_kind,
            skip_openchoreo=True,
            use_context=use_context,
        ),
        _steps(yes=yes, dry=dry_run, verbose=verbose),
    )
    found = run.pick()
    if not dry_run:
        output.show(str(found.kubeconfig))
    return 0


@app.command()
def docker(dry_run: Dry = False, verbose: Verbose = False) -> int:
    """Check the container engine: there, chosen, answering, large enough. Exit code 1 or more for an error."""
    from kfw.checks import engine

    steps = _steps(yes=False, dry=False, verbose=verbose)
    if dry_run:
        steps.show("docker context show\ndocker info --format '{{json .}}'")
        return 0
    return _report(list(_in_order(engine.checks(steps.ask, os.environ))))


@app.command()
def attach(dry_run: Dry = False, verbose: Verbose = False) -> int:
    """Inside a container: put it on kind's network, if there is one."""
    _bootstrap(_options("kind"), _steps(yes=False, dry=dry_run, verbose=verbose)).attach()
    return 0


# -- from options to a run


def _where(sandbox: bool, kind: bool) -> str:
    from kfw.errors import UsageError

    if sandbox and kind:
        raise UsageError("--sandbox and --kind exclude each other", "leave one of them away")
    return "sandbox" if sandbox else "kind" if kind else "auto"


def _options(
    where: str,
    *,
    cluster_name: str | None = None,
    worker_node: str | None = None,
    spaces: Sequence[str | None] = (None, None, None),
    files: Sequence[Path | None] = (None, None, None),
    **others: Any,
) -> "Options":
    """What is None stays as it is by default. Raises UsageError for a file that cannot be read."""
    from kfw.bootstrap.options import Namespaces, Options, Where

    names = dict(zip(("amp", "observability", "data_plane"), spaces, strict=True))
    paths = dict(zip(("config", "services", "kind_config"), map(_readable, files), strict=True))
    given: dict[str, Any] = {"cluster_name": cluster_name, "worker_node": worker_node, **paths}
    return Options(
        where=Where(where),
        namespaces=Namespaces(**{key: name for key, name in names.items() if name}),
        **{key: value for key, value in given.items() if value},
        **others,
    )


def _readable(file: Path | None) -> Path | None:
    from kfw.errors import UsageError

    if file is None:
        return None
    if not file.is_file():
        raise UsageError(f"cannot read {file}: there is no such file")
    return file.absolute()


def _steps(*, yes: bool, dry: bool, verbose: bool) -> "Steps":
    from kfw.bootstrap.steps import Steps

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
    from kfw.commands.group import run_command

    with Path(os.devnull).open("w") as nowhere:
        with redirect_stdout(nowhere if argv[0] == "up" else sys.stderr):
            return run_command(argv)


def _agreed(question: str) -> bool:
    """Only a person at a terminal can."""
    if not output.is_terminal(sys.stdin):
        return False
    return typer.confirm(f"bootstrap: {question}?", default=True, err=True)


def _bootstrap(options: "Options", steps: "Steps") -> "Bootstrap":
    from kfw.bootstrap.bootstrap import Bootstrap

    return Bootstrap(steps, options)


def _in_order(found: Any) -> Any:
    from kfw.checks import in_order

    return in_order(found)


def _report(findings: Sequence[Any]) -> int:
    from kfw import checks

    output.show("\n".join(checks.lines(findings)))
    worst = checks.first_error(findings)
    return worst.exit_code if worst else 0


# -- what is up at the end


def _since() -> dict[str, str]:
    """What is up, and since when; nothing when there is no daemon."""
    return {row.name: row.since for row in _rows() if row.url}


def _rows() -> list[Any]:
    from kfw import client
    from kfw.errors import DaemonNotRunning

    try:
        return client.status().forwards
    except DaemonNotRunning:
        return []


def _show(run: "Bootstrap", before: dict[str, str]) -> None:
    """Name and URL on stdout; the ways they go, and that nothing changed, to stderr."""
    from kfw import client
    from kfw.bootstrap.forwards import wanted, ways

    rows = {row.name: row for row in _rows() if row.name in wanted(run.options)}
    up = {name: row for name, row in rows.items() if row.url}
    for line in ways(up, {name: client.explain(name) for name in up}):
        run.steps.say(line)
    if before and before == _since():
        run.steps.say("nothing changed")
    output.show("\n".join(f"{name}\t{row.url}" for name, row in up.items()))
