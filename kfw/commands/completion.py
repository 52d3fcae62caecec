"""kfw completion: the script with which a shell asks kfw what fits when Tab is pressed; kfw/completion/ answers."""

from pathlib import Path
from typing import Annotated

import typer

import kfw
from kfw.commands import _output as output
from kfw.errors import UsageError

#: Files of kfw/completion/scripts/; a package of kfw puts them where these shells look by themselves.
SCRIPTS = {"bash": "kfw.bash", "zsh": "_kfw", "fish": "kfw.fish"}


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help=f"{', '.join(SCRIPTS)}.")],
) -> int:
    """Print the script that completes kfw commands with Tab.

    Commands, options, contexts, namespaces, targets, ports, profiles and the names of forwards.

    \b
    kfw completion bash >> ~/.bashrc
    kfw completion zsh > ~/.zfunc/_kfw
    kfw completion fish > ~/.config/fish/completions/kfw.fish
    """
    if shell not in SCRIPTS:
        raise UsageError(f"kfw has no completion for '{shell}'", f"use one of {', '.join(SCRIPTS)}")
    script = Path(kfw.__file__).parent / "completion" / "scripts" / SCRIPTS[shell]
    output.show(script.read_text(encoding="utf-8").rstrip("\n"))
    return 0
