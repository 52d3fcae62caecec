"""Who calls: the environment that goes with a request, and the project of the working directory."""

from __future__ import annotations

import os
from pathlib import Path

from kfw.commands import _output as output
from kfw.environ import fitting, sendable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kfw.protocol import Source


def caller_environ() -> dict[str, str]:
    """All but what is the shell's own, or kfw's: see kfw/environ.py."""
    sent = fitting(os.environ)
    if left_out := [name for name in sendable(os.environ) if name not in sent]:
        output.say(f"kfw: the environment is too large, left out: {', '.join(map(ascii, left_out[:10]))}")
    return sent


def caller_project() -> str:
    """The nearest kfw.yaml, as `up` names its source; "" outside of any project."""
    from kfw.config.sources import project_file

    return str(project_file(Path.cwd()) or "")


def caller_source() -> str:
    """What a bare `up` here would replace."""
    from kfw import paths

    return caller_project() or str(paths.config_file())


def config_url(given: str | None) -> str:
    """What --config-url says, else KFW_CONFIG_URL; "" is none."""
    return os.environ.get("KFW_CONFIG_URL", "") if given is None else given


def refreshed(given: str | None) -> str:
    """The same, when its copy here is as new as it can be. Raises KfwError: see kfw/config/remote.py."""
    url = config_url(given)
    if url:
        from kfw.config.remote import refresh, url_of

        refresh(url_of(url), lambda sentence: output.say(f"kfw: {sentence}"))
    return url


def names_source() -> Source:
    """Where a name is looked up that is not up."""
    from kfw.protocol import Source

    key = caller_source()
    return Source(
        key=key,
        project=key,
        cwd=str(Path.cwd()),
        kubeconfig=os.environ.get("KUBECONFIG"),
        config_url=config_url(None),
    )
