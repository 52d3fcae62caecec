"""`kfw add --save` and `kfw remove --save`: the project's kfw.yaml gets or loses what is up, and is the one to have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kfw.commands import _output as output
from kfw.commands._add_words import Addition
from kfw.config.edit import Entry, as_text, with_forward, without_forward
from kfw.config.save import Draft, project_draft
from kfw.errors import UsageError
from kfw.model import Forward

if TYPE_CHECKING:
    from kfw.config.settings import Settings


def forwards_to_save(forwards: Sequence[Forward], asked: Sequence[Addition]) -> tuple[Draft, list[Forward]]:
    """The file as it is to be, and the forwards as it will say them: what its defaults say holds for them, too.

    Raises ConfigError for a file that is broken, UsageError for what it cannot take up.
    """
    from kfw.config.layers import load

    draft = project_draft(Path.cwd())
    taken = _ports(load(Path.cwd()))
    for forward, one in zip(forwards, asked, strict=True):
        if one.local is None and forward.local_port in taken:  # nobody typed it
            forward = replace(forward, local_port=_free_of(taken, forward.local_port))
        entry = entry_of(forward)
        draft = draft.edited(
            lambda text, at, name=forward.name, entry=entry: with_forward(text, at, name, entry),  # type: ignore[misc]
            f"add it yourself, `kfw config edit` opens the file:\n{_indented(forward.name, entry, draft)}",
        )
    settings = load(Path.cwd(), draft=draft)
    return draft, [settings.forwards[forward.name] for forward in forwards]


def entry_of(forward: Forward) -> Entry:
    """What was typed, and the local port, so that it is the same on each machine."""
    own = {
        "target": str(forward.target),
        "targetPort": forward.target_port,
        "localPort": forward.local_port,
        "namespace": None if forward.namespace_is_default else forward.namespace,
        "context": None if forward.context_is_default else forward.context,
        "kubeconfig": list(forward.kubeconfig) or None,
        "method": _unless(Forward.method, forward.method),
        "type": _unless(Forward.type, forward.type),
        "address": None if forward.addresses == Forward.addresses else list(forward.addresses),
        "readiness": _unless(Forward.readiness, forward.readiness),
        "onPortInUse": _unless(Forward.on_port_in_use, forward.on_port_in_use),
    }
    return {key: value for key, value in own.items() if value is not None}


def write(draft: Draft, names: Sequence[str]) -> None:
    """And the forwards, which are up already, are those of the file from now on: nothing is restarted."""
    from kfw import client
    from kfw.commands.up import request_for

    draft.write()
    client.up(request_for(list(names), [], {})[1])
    output.say(f"saved in {draft.at.file}: {', '.join(names)}")


def not_saved(draft: Draft) -> None:
    output.say(
        f"kfw: not saved in {draft.at.file}, as it is not active: correct it with another `kfw add`, "
        "or save it as it is with --no-wait"
    )


def draft_without(names: Sequence[str]) -> Draft:
    """Raises UsageError for a name that the project's file does not have, ConfigError if it is broken."""
    from kfw.config.layers import load

    draft = project_draft(Path.cwd())
    if draft.data is None:
        raise UsageError("cannot find a kfw.yaml here", "`kfw remove` without --save stops a forward")
    settings = load(Path.cwd())
    for name in names:
        draft = draft.edited(
            lambda text, at, name=name: without_forward(text, at, name),  # type: ignore[misc]
            _elsewhere(settings, name),
        )
    load(Path.cwd(), draft=draft)
    return draft


def _elsewhere(settings: Settings, name: str) -> str:
    forward = settings.forwards.get(name)
    if forward is None:
        return f"its files have: {', '.join(sorted(settings.forwards)) or 'none'}"
    return f"it is in {forward.source}; `kfw config edit {forward.source}` opens it"


def _ports(settings: Settings) -> set[int]:
    return {forward.local_port for forward in settings.forwards.values()}


def _free_of(taken: set[int], port: int) -> int:
    from kfw.system.local_ports import alternatives

    return next((near for near in alternatives(port) if near not in taken), port)


def _unless(usual: str, word: str) -> str | None:
    return None if word == usual else word


def _indented(name: str, entry: Entry, draft: Draft) -> str:
    return "\n".join(f"       {line}" for line in as_text(name, entry, draft.at).splitlines())
