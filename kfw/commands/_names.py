"""Names of forwards on the command line: what to say about one that is not there, and completion by Tab."""

from collections.abc import Iterable, Mapping, Sequence

from kfw.errors import KfwError, UsageError
from kfw.names import few, probably


def unknown_name(name: str, known: Iterable[str]) -> UsageError:
    """Says which names there are, and which one was probably meant."""
    names = sorted(known)
    return UsageError(f"there is no forward named '{name}'", probably(name, names) + known_names(names))


def meant(words: Sequence[str], profile_of: Mapping[str, str | None]) -> list[str]:
    """The forwards that these names, profiles and patterns mean. Raises UsageError for one that means nothing."""
    from kfw.names import select

    chosen = select(words, profile_of)
    if chosen.unknown:
        raise unknown_name(chosen.unknown[0], profile_of)
    return [name for name, profile in profile_of.items() if chosen.has(name, profile)]


def known_names(names: Sequence[str]) -> str:
    return f"known: {few(names)}" if names else "nothing is forwarded yet, `kfw up` starts"


def complete(incomplete: str) -> list[str]:
    """For the shell: the daemon's forwards, nothing if it does not answer at once."""
    import json

    from kfw import client

    try:
        rows = json.loads(client.status_raw(timeout=1.0))["forwards"]
    except KfwError:
        return []
    return [row["name"] for row in rows if row["name"].startswith(incomplete)]
