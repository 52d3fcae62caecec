"""Names of forwards on the command line: what to say about one that is not there, and completion by Tab."""

from collections.abc import Iterable, Mapping, Sequence

from kfw.errors import KfwError, UsageError
from kfw.names import few, probably


def unknown_name(name: str, known: Iterable[str], context: str | None = None) -> UsageError:
    """Says which names there are, and which one was probably meant. `context`: only its forwards are asked about."""
    names = sorted(known)
    where = f" in the context {context}" if context else ""
    return UsageError(
        f"there is no forward named '{name}'{where}", probably(name, names) + known_names(names)
    )


def meant(
    words: Sequence[str], profile_of: Mapping[str, str | None], context: str | None = None
) -> list[str]:
    """The forwards that these names, profiles and patterns mean. Raises UsageError for one that means nothing.

    `context`: that of all of them, if only those of one were asked for."""
    from kfw.names import select

    chosen = select(words, profile_of)
    if chosen.unknown:
        raise unknown_name(chosen.unknown[0], profile_of, context)
    return [name for name, profile in profile_of.items() if chosen.has(name, profile)]


def in_context(context: str | None, context_of: Mapping[str, str]) -> list[str]:
    """The forwards that are in it; without one all. Raises UsageError where none is: it may be mistyped."""
    found = [name for name, its in context_of.items() if context in (None, its)]
    if found or context is None:
        return found
    contexts = sorted(set(context_of.values()))
    fix = f"{probably(context, contexts)}forwards are in: {few(contexts)}" if contexts else known_names(())
    raise UsageError(f"no forward is in the context {context}", fix)


def known_names(names: Sequence[str]) -> str:
    return f"known: {few(names)}" if names else "nothing is forwarded yet, `kfw up` starts"


def complete(incomplete: str) -> list[str]:
    """For the shell: the daemon's forwards, nothing if it does not answer at once."""
    return _beginning_with(incomplete, "name")


def complete_context(incomplete: str) -> list[str]:
    """For the shell: the contexts that the daemon's forwards are in."""
    return _beginning_with(incomplete, "context")


def _beginning_with(incomplete: str, key: str) -> list[str]:
    import json

    from kfw import client

    try:
        rows = json.loads(client.status_raw(timeout=1.0))["forwards"]
    except KfwError:
        return []
    return list(dict.fromkeys(row[key] for row in rows if row[key].startswith(incomplete)))
