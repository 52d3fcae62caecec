"""The options of `kfw bootstrap`, with the environment variables of the quick start's scripts."""

from pathlib import Path
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
Dry = Annotated[
    bool, typer.Option("--dry-run", help="Print the command lines that would run; change nothing.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", envvar="VERBOSE", help="Show the commands and their output.")
]
Name = Annotated[
    str | None,
    typer.Option(
        "--cluster-name",
        metavar="NAME",
        envvar="CLUSTER_NAME",
        help="The kind cluster; default openchoreo-local.",
    ),
]
Worker = Annotated[
    str | None, typer.Option(metavar="NAME", envvar="WORKER_NODE", help="A node that must exist.")
]
AmpNs = Annotated[str | None, typer.Option(metavar="NAME", envvar="AMP_NS", help="Used instead of wso2-amp.")]
ObservabilityNs = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", envvar="OBSERVABILITY_NS", help="Used instead of openchoreo-observability-plane."
    ),
]
DataPlaneNs = Annotated[
    str | None,
    typer.Option(metavar="NAME", envvar="DATA_PLANE_NS", help="Used instead of openchoreo-data-plane."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-f", metavar="FILE", help="Forwards, instead of quick-start/kfw.yaml."),
]
Services = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Stand-ins, instead of quick-start/services.yaml.")
]
KindConfig = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The cluster, instead of quick-start/kind-config.yaml.")
]
Image = Annotated[
    str | None,
    typer.Option(
        "--image", metavar="IMAGE", envvar="SERVICES_IMAGE", help="Another image for the stand-ins."
    ),
]
Values = Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Values for helm. Repeatable.")]
SkipKind = Annotated[bool, typer.Option(envvar="SKIP_KIND", help="Do not create or start a cluster.")]
SkipOpenChoreo = Annotated[
    bool,
    typer.Option("--skip-openchoreo", envvar="SKIP_OPENCHOREO", help="Stand-ins instead of Helm charts."),
]
Minimal = Annotated[
    bool,
    typer.Option("--minimal", "--core-only", envvar="MINIMAL_MODE", help="Only what the five services need."),
]
UseContext = Annotated[
    bool, typer.Option("--use-context", help="Also make it the current context of your kubeconfig.")
]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Always use the embedded sandbox.")]
OnlyKind = Annotated[bool, typer.Option("--kind", help="Use a kind cluster or fail, never the sandbox.")]
NoServices = Annotated[bool, typer.Option("--no-services", help="Install nothing, not even stand-ins.")]
PortForward = Annotated[bool, typer.Option(envvar="AUTO_PORT_FORWARD", help="Start the forwards.")]
Foreground = Annotated[bool, typer.Option("--foreground", help="The forwards end with Ctrl+C.")]
Profile = Annotated[
    str,
    typer.Option(
        "--profile", "-p", metavar="NAME", envvar="COLIMA_PROFILE", help="Colima's profile; default: default."
    ),
]
