"""Arguments and options that several commands share, so that they read the same in every `--help`."""

from pathlib import Path
from typing import Annotated

import typer

from kfw.choices import METHOD_CHOICES, listed
from kfw.config.durations import seconds


class GivenTime(float):
    """Seconds that the user wrote; a default is a plain float."""


def duration(text: str | float) -> float:
    """Typer hands in the default, too, which is seconds already."""
    if isinstance(text, float):
        return text
    try:
        return GivenTime(seconds(text))
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' {error}, write for example 30s or 1m30s") from error


Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="Forwards, profiles or patterns; all when none is named.",
    ),
]
OneName = Annotated[str, typer.Argument(metavar="NAME", help="A forward.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", parser=duration, metavar="TIME", show_default="60s", help="How long to wait."),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once, do not wait until they are active.")]
Configs = Annotated[
    list[Path] | None,
    typer.Option("--config", "-f", metavar="FILE", help="Also read this file, over the others. Repeatable."),
]
ConfigUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help='Team defaults, https:// or file://; else $KFW_CONFIG_URL, "" for none.'
    ),
]
Context = Annotated[str | None, typer.Option(metavar="NAME", help="The kubeconfig context to use.")]
InContext = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        help="Only forwards in this kubeconfig context.",
    ),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", metavar="NAME", help="The namespace of the targets.")
]
Kubeconfig = Annotated[
    str | None, typer.Option(metavar="FILE", help="Use this instead of $KUBECONFIG or ~/.kube/config.")
]
Method = Annotated[str | None, typer.Option(metavar="NAME", help=f"{listed(METHOD_CHOICES)}.")]
