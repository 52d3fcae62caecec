"""kfw init: write a first kfw.yaml: the manual with everything but the examples commented out, or what a cluster has."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from kfw.commands import _output as output
from kfw.commands._options import Context, Kubeconfig, Namespace
from kfw.errors import KfwError, UsageError

_HEAD = """\
# kfw.yaml: which ports of which clusters belong on this machine. Write yours below portForwards, then `kfw up`.
#
# Keys behind a # in the first column are kfw's defaults: take it away to change one, also before the block it is in.
# `kfw config check` finds mistakes; `kfw config show --origin` shows each value, and the file and line it comes from.
# An editor completes the keys after `kfw config schema > kfw.schema.json`, with this in the first line:
#   yaml-language-server: $schema=kfw.schema.json"""

#: Sections that stay: below them there are only examples, commented out.
_EXAMPLES = ("portForwards:", "profiles:")


def init(
    path: Annotated[
        Path, typer.Argument(metavar="[PATH]", help="A file, or the folder for kfw.yaml.", show_default=False)
    ] = Path("kfw.yaml"),
    from_cluster: Annotated[
        bool, typer.Option("--from-cluster", help="Write a forward for each service in the cluster.")
    ] = False,
    namespace: Namespace = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="From all namespaces.")] = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> int:
    """Write a kfw.yaml: an example with every setting explained.

    With --from-cluster it writes what a cluster has instead: each TCP port of each service, with a local port of its
    own.

    \b
    kfw init
    kfw init --from-cluster -n shop
    kfw init --from-cluster -A --context dev
    """
    target = path / "kfw.yaml" if path.is_dir() else path
    if not from_cluster:
        if namespace or everywhere or context or kubeconfig:
            raise UsageError(
                "the example belongs to no cluster", "kfw init --from-cluster writes what is in a cluster"
            )
        return _example(target, force=force)
    if everywhere and namespace:
        raise UsageError("-A and -n cannot be used together", "leave one of them out")
    if target.exists() and not force:  # before the cluster is asked
        raise _is_there(target)
    from kfw.commands._from_cluster import config_of

    config = config_of(context, kubeconfig, namespace, everywhere=everywhere)
    _write(target, config.text, force=force)
    output.say(f"wrote {target}: {config.summary}")
    output.say("next: `kfw up` starts them" if config.started else f"next: change {target}, then `kfw up`")
    return 0


def _example(target: Path, *, force: bool) -> int:
    from kfw.config.layers import EMBEDDED

    _write(target, template(EMBEDDED.read_text(encoding="utf-8")), force=force)
    output.say(f"wrote {target}")
    output.say("next: write your forwards into it, below portForwards, then `kfw up`")
    output.say(
        "      `kfw targets` lists what can be forwarded; `kfw init --from-cluster --force` writes all of it"
    )
    return 0


def template(manual: str) -> str:
    """The embedded defaults as a file to begin with: it changes nothing until somebody takes a # away."""
    _, _, sections = manual.partition("\n\n")
    return _HEAD + "\n\n" + "\n".join(_commented(sections.splitlines())) + "\n"


def _commented(lines: list[str]) -> Iterator[str]:
    for line in lines:
        is_setting = line and not line.lstrip().startswith("#") and line not in _EXAMPLES
        yield f"#{line}" if is_setting else line


def _write(target: Path, text: str, *, force: bool) -> None:
    """Not writable for others, whatever the umask, since kfw refuses such a file."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(target, flags, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise _is_there(target) from error
    except OSError as error:
        raise KfwError(
            f"cannot write {target}: {error.strerror}", "name a folder that you can write"
        ) from error


def _is_there(target: Path) -> UsageError:
    return UsageError(
        f"cannot write {target}: it exists already", "edit it, or name another file; --force overwrites it"
    )
