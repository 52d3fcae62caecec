"""kfw bootstrap: from a machine with docker and kind, or with neither, to the quick start's services on localhost."""

from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from kfw.commands import _bootstrap_options as o
from kfw.commands import _output as output


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
    help="Set up the quick start: a cluster and its forwards.\n\nWithout a command it does all of it.",
)


@app.command("all")
def everything(
    yes: o.Yes = False,
    dry_run: o.Dry = False,
    verbose: o.Verbose = False,
    sandbox: o.Sandbox = False,
    kind: o.OnlyKind = False,
    skip_kind: o.SkipKind = False,
    skip_openchoreo: o.SkipOpenChoreo = False,
    minimal: o.Minimal = False,
    no_services: o.NoServices = False,
    port_forward: o.PortForward = True,
    foreground: o.Foreground = False,
    use_context: o.UseContext = False,
    cluster_name: o.Name = None,
    worker_node: o.Worker = None,
    amp_ns: o.AmpNs = None,
    observability_ns: o.ObservabilityNs = None,
    data_plane_ns: o.DataPlaneNs = None,
    config: o.Config = None,
    services: o.Services = None,
    kind_config: o.KindConfig = None,
    image: o.Image = None,
    values: o.Values = None,
) -> int:
    """Do all of it: tools, cluster, forwards, verification.

    Running it again changes nothing. Prints name and URL of each forward that is up.

    \b
    kfw bootstrap all --yes
    kfw bootstrap --sandbox
    kfw bootstrap --dry-run --skip-openchoreo
    """
    from kfw.commands import _bootstrap as b
    from kfw.quickstart.bootstrap import Bootstrap

    options = b.options(
        where=b.where(sandbox, kind),
        cluster_name=cluster_name,
        worker_node=worker_node,
        spaces=(amp_ns, observability_ns, data_plane_ns),
        config=config,
        services=services,
        kind_config=kind_config,
        skip_kind=skip_kind,
        skip_openchoreo=skip_openchoreo,
        minimal=minimal,
        use_context=use_context,
        image=image or "",
        values=tuple(values or ()),
    )
    run = Bootstrap(b.steps(yes=yes, dry=dry_run, verbose=verbose), options)
    before = b.since(options)
    found = run.pick()
    if not no_services:
        run.platform(found)
    if not port_forward:
        return 0
    code = run.forwards(found, foreground=foreground)
    if not dry_run and not foreground:
        b.show(run, before)
        run.closing_words(found)
    return code


@app.command()
def kind(
    dry_run: o.Dry = False,
    verbose: o.Verbose = False,
    skip_kind: o.SkipKind = False,
    use_context: o.UseContext = False,
    cluster_name: o.Name = None,
    worker_node: o.Worker = None,
    services: o.Services = None,
    kind_config: o.KindConfig = None,
    config: o.Config = None,
) -> int:
    """Create or start the cluster only.

    Prints the path of its kubeconfig.

    \b
    kfw bootstrap kind --cluster-name dev
    export KUBECONFIG=$(kfw bootstrap kind --skip-kind)
    """
    from kfw.commands import _bootstrap as b
    from kfw.quickstart.bootstrap import Bootstrap

    options = b.options(
        where=b.where(False, True),
        cluster_name=cluster_name,
        worker_node=worker_node,
        config=config,
        services=services,
        kind_config=kind_config,
        skip_kind=skip_kind,
        skip_openchoreo=True,
        use_context=use_context,
    )
    found = Bootstrap(b.steps(dry=dry_run, verbose=verbose), options).pick()
    if not dry_run:
        output.show(str(found.kubeconfig))
    return 0


@app.command()
def docker(verbose: o.Verbose = False, dry_run: o.Dry = False) -> int:
    """Check the container engine, change nothing.

    Is it there, chosen, answering, and large enough for another cluster?

    \b
    kfw bootstrap docker
    """
    import os

    from kfw.commands import _bootstrap as b
    from kfw.quickstart import engine_checks
    from kfw.quickstart.bootstrap import look_around
    from kfw.quickstart.checks import in_order

    steps = b.steps(verbose=verbose or dry_run)
    last = partial(engine_checks.instances, steps.ask, look_around())
    return b.report(in_order([*engine_checks.checks(steps.ask, os.environ), last]))


@app.command()
def colima(
    profile: o.Profile = "default",
    yes: o.Yes = False,
    start: Annotated[bool, typer.Option("--start", help="Start the profile if it is not running.")] = False,
    dry_run: o.Dry = False,
    verbose: o.Verbose = False,
) -> int:
    """Check Colima, and start its profile if you agree.

    Does the profile run, is it large enough, and does docker talk to it?

    A profile that is not running is started if you agree; a running one is never stopped or changed, the command
    that would do it is shown.

    \b
    kfw bootstrap colima
    kfw bootstrap colima --profile dev --yes
    """
    from kfw.commands import _bootstrap as b
    from kfw.quickstart import colima_profile as stage

    steps = b.steps(yes=yes or start, dry=dry_run, verbose=verbose)
    return b.report(stage.ensure(steps, stage.asked(steps, profile)))


@app.command()
def release(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The release.")],
    chart: Annotated[str, typer.Option(metavar="CHART", help="oci://…, repository/chart or a folder.")],
    version: Annotated[str, typer.Option(metavar="VERSION", help="Version of the chart.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", metavar="NAME", help="Created if missing.")],
    timeout: Annotated[int, typer.Option(metavar="SECONDS", help="For helm.")] = 600,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until its pods are ready.")] = False,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
    values: o.Values = None,
    cluster_name: o.Name = None,
    dry_run: o.Dry = False,
    verbose: o.Verbose = False,
) -> int:
    """Install or upgrade one Helm release.

    Does nothing if that version is installed. If it fails, it shows helm's last lines,
    the release, its pods and the last events.

    \b
    kfw bootstrap release redis --chart oci://registry.example/redis --version 1.2.3 -n cache --wait
    """
    from kfw.commands import _bootstrap as b
    from kfw.quickstart.bootstrap import Bootstrap
    from kfw.quickstart.releases import Release

    options = b.options(
        where=b.where(False, True), cluster_name=cluster_name, skip_kind=True, values=tuple(values or ())
    )
    wanted = Release(
        name=name,
        namespace=namespace,
        chart=chart,
        version=version,
        timeout=timeout,
        wait=wait,
        values=True,
        set=dict(each.partition("=")[::2] for each in settings or ()),
    )
    run = Bootstrap(b.steps(dry=dry_run, verbose=verbose), options)
    run.release(run.pick(), wanted)
    return 0


@app.command()
def attach(dry_run: o.Dry = False, verbose: o.Verbose = False) -> int:
    """Inside a container: connect it to kind's network.

    If there is such a network.

    \b
    kfw bootstrap attach
    """
    from kfw.commands import _bootstrap as b
    from kfw.quickstart.bootstrap import Bootstrap

    Bootstrap(b.steps(dry=dry_run, verbose=verbose), b.options()).attach()
    return 0


@app.command()
def stop(config: o.Config = None, dry_run: o.Dry = False, verbose: o.Verbose = False) -> int:
    """Stop the quick start's forwards; the cluster stays.

    Also what a killed kfw left of them. It can be run again.

    \b
    kfw bootstrap stop
    """
    from kfw.commands import _bootstrap as b
    from kfw.quickstart import uninstall

    uninstall.stop(b.steps(dry=dry_run, verbose=verbose), b.options(config=config))
    return 0


@app.command()
def uninstall(
    yes: o.Yes = False,
    keep_cluster: Annotated[bool, typer.Option("--keep-cluster", help="Only what is in it.")] = False,
    cluster_name: o.Name = None,
    amp_ns: o.AmpNs = None,
    observability_ns: o.ObservabilityNs = None,
    data_plane_ns: o.DataPlaneNs = None,
    config: o.Config = None,
    dry_run: o.Dry = False,
    verbose: o.Verbose = False,
) -> int:
    """Remove everything that bootstrap created.

    Forwards, releases, stand-ins, and the cluster if bootstrap created it.

    \b
    kfw bootstrap uninstall
    kfw bootstrap uninstall --yes --keep-cluster
    """
    from kfw.commands import _bootstrap as b
    from kfw.quickstart import uninstall
    from kfw.quickstart.bootstrap import Bootstrap

    options = b.options(
        cluster_name=cluster_name, spaces=(amp_ns, observability_ns, data_plane_ns), config=config
    )
    steps = b.steps(dry=dry_run, verbose=verbose)
    if not (
        yes or dry_run or b.said_yes(f"remove everything that bootstrap installed in {options.cluster_name}")
    ):
        steps.say("nothing was changed")
        return 1
    run = Bootstrap(steps, options)
    uninstall.uninstall(steps, options, run.env, run.provider, keep_cluster=keep_cluster)
    return 0
