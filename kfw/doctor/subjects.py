"""Which forwards are meant: of the config, and of those that the daemon has besides (`kfw add`, profiles that select)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kfw.config.settings import Settings
from kfw.errors import UsageError
from kfw.model import Forward, Kind, Target
from kfw.names import few, probably, select

#: The name of what stands for a namespace of which no forward is known: only its cluster and rights are asked.
ANY = ""

Row = Mapping[str, Any]


def meant(
    words: Sequence[str], settings: Settings, rows: Mapping[str, Row], flags: Mapping[str, str]
) -> list[Forward]:
    """Without words all that are enabled, and for each profile that selects its namespaces; with nothing configured
    the current context. Raises UsageError for a word that nothing is named after."""
    known = {**{name: _of_row(name, row, flags) for name, row in rows.items()}, **settings.forwards}
    if not words:
        found = [one for one in known.values() if one.enabled]
        return found or _namespaces(settings) or [_any(flags)]
    chosen = select(words, {name: one.profile for name, one in known.items()})
    if chosen.unknown:
        word, names = chosen.unknown[0], sorted(known)
        listed = (
            f"known: {few(names)}"
            if names
            else "nothing is configured; without a name kfw checks the cluster"
        )
        raise UsageError(f"cannot find a forward named '{word}'", probably(word, names) + listed)
    return [one for name, one in known.items() if chosen.has(name, one.profile)]


def _of_row(name: str, row: Row, flags: Mapping[str, str]) -> Forward:
    """A row does not say which kubeconfig the forward has: it is the one of this shell."""
    return Forward(
        name=name,
        target=Target.parse(row["target"]),
        target_port=row["targetPort"],
        local_port=row["configuredPort"],
        namespace=row["namespace"],
        context=row["context"],
        kubeconfig=(flags["kubeconfig"],) if "kubeconfig" in flags else (),
        method=row["method"],
        profile=row["profile"],
        enabled=row["status"] not in ("disabled", "stopped"),
    )


def _namespaces(settings: Settings) -> list[Forward]:
    return [
        replace(one.template, name=ANY, namespace=namespace)
        for one in settings.selections.values()
        if one.template.enabled
        for namespace in (one.namespaces or (one.template.namespace,))
    ]


def _any(flags: Mapping[str, str]) -> Forward:
    return Forward(
        name=ANY,
        target=Target(Kind.SERVICE, ""),
        target_port=None,
        local_port=0,
        namespace=flags.get("namespace", ""),
        context=flags.get("context", ""),
        kubeconfig=(flags["kubeconfig"],) if "kubeconfig" in flags else (),
    )
