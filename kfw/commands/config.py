"""kfw config: check the files, show what they come to, edit them, take over those of others, print the schema."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kfw.choices import FOREIGN_KINDS, listed
from kfw.commands import _output as output
from kfw.commands._options import Configs, ConfigUrl, Context, Json, Kubeconfig, Namespace

if TYPE_CHECKING:
    from kfw.config.settings import Settings

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    help="Check the configuration, show it, edit it, or print its schema.",
)

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE]...", help="Check these, each over the one before; none: what `kfw up` reads."
    ),
]


@app.command()
def check(files: Files = None, as_json: Json = False) -> int:
    """Find every mistake in every file.

    Exit code 2 if there is one. Settings that kfw does not act on yet are reported too, but are not mistakes.

    \b
    kfw config check
    kfw config check kfw.yaml
    """
    from kfw.errors import ConfigError

    try:
        settings = _settings(files or [], alone=bool(files))
    except ConfigError as error:
        if not as_json:
            raise
        output.show_json(
            {"problems": error.problems, "warnings": [], "notes": [], "files": [], "forwards": 0}
        )
        return error.exit_code
    if as_json:
        output.show_json(_summary(settings))
    else:
        _warn(_warnings(settings))
        output.show("\n".join(_report(settings)))
    return 0


@app.command()
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value comes from.")] = False,
    config: Configs = None,
    config_url: ConfigUrl = None,
    as_json: Json = False,
) -> int:
    """Show the configuration that results from all files.

    \b
    kfw config show --origin
    """
    from kfw.config.yaml_text import as_yaml

    settings = _settings(config or [], alone=False, config_url=config_url)
    _warn(settings.warnings)
    if as_json:
        values = settings.values
        output.show_json({"settings": values, "origin": settings.origin} if origin else values)
    else:
        output.show(as_yaml(settings.tree, with_origin=origin))
    return 0


@app.command()
def edit(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Edit this, not the nearest kfw.yaml.", show_default=False),
    ] = None,
) -> int:
    """Open the config in $VISUAL or $EDITOR, then check it.

    If there is a mistake, it offers to open the file again at that line. Running forwards stay as they are until it is
    correct.

    \b
    kfw config edit
    kfw config edit ~/.config/kfw/config.yaml
    """
    from kfw.commands._editor import edit as edit_file
    from kfw.config.sources import project_file
    from kfw.errors import UsageError

    path = file or project_file(Path.cwd())
    if path is None:
        raise UsageError("cannot find a kfw.yaml here or in a folder above", "`kfw init` writes one")
    settings, has_changed = edit_file(path, lambda: _settings([file] if file else [], alone=False))
    _warn(_warnings(settings))
    output.say("\n".join(_report(settings)) if has_changed else f"{path} is unchanged")
    return 0


@app.command(name="import")
def import_(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="- is standard input.", show_default=False)
    ] = "",
    kind: Annotated[
        str,
        typer.Option(
            "--from", metavar="KIND", help=f"Its kind, if it is not recognised: {listed(FOREIGN_KINDS)}."
        ),
    ] = "",
    write: Annotated[
        bool, typer.Option("--write", help="Write to the project's kfw.yaml, or a new one, not to stdout.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> int:
    """Make a kfw.yaml from another program's forwards.

    Comments say what was mapped and what has no equivalent. k9s keeps its forwards in annotations of pods, so kfw
    reads those from the cluster.

    \b
    kfw config import skaffold.yaml
    kfw config import ~/kftray.json --write
    kfw config import --from k9s -n shop
    """
    from kfw.commands._importing import import_file, import_from_cluster, show_or_save

    live = kind == "k9s"
    written = import_from_cluster(file, namespace, context, kubeconfig) if live else import_file(file, kind)
    return show_or_save(written, save=write)


@app.command()
def schema() -> int:
    """Print the JSON Schema of a config file, for editors.

    \b
    kfw config schema > kfw.schema.json
    """
    from kfw.config.layers import SCHEMA

    output.show(SCHEMA.read_text(encoding="utf-8").rstrip("\n"))
    return 0


def _settings(files: list[Path], *, alone: bool, config_url: str | None = None) -> "Settings":
    from kfw.commands._caller import refreshed
    from kfw.config.layers import load, load_only

    if alone:
        return load_only(files, Path.cwd())
    return load(Path.cwd(), config_files=files, config_url=refreshed(config_url))


def _warnings(settings: "Settings") -> list[str]:
    return [*settings.warnings, *map(str, settings.unused)]


def _warn(warnings: Iterable[str]) -> None:
    for each in warnings:
        output.say(f"kfw: {each}")


def _summary(settings: "Settings") -> dict[str, Any]:
    return {
        "problems": [],
        "warnings": _warnings(settings),
        "notes": _notes(settings),
        "files": [str(path) for path in settings.files],
        "forwards": len(settings.forwards),
    }


def _report(settings: "Settings") -> list[str]:
    read = [f"read {path}" for path in settings.files] or ["found no config file, `kfw init` writes one"]
    count = len(settings.forwards)
    off = sum(not forward.enabled for forward in settings.forwards.values())
    said = f"{count} forward{'s' * (count != 1)}{f', {off} disabled' if off else ''}, no problems"
    return [*read, said, *_notes(settings)]


def _notes(settings: "Settings") -> list[str]:
    """What holds, but not with `kfw up`: kportforward collects while it runs."""
    if settings.collector.enabled and settings.collector.figures:
        return ["figures are collected by `kfw collect`, once or `--every 24h`; `kfw up` does not start it"]
    return []
