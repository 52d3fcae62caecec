"""running + wanted -> what to stop, start, restart and leave alone. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kfw.choices import has_own_address
from kfw.model import Forward


@dataclass(frozen=True)
class Plan:
    """Names. A restart is a forward whose entry changed; everything in `keep` is not touched at all."""

    stop: tuple[str, ...]
    start: tuple[str, ...]
    restart: tuple[str, ...]
    keep: tuple[str, ...]


def plan(
    running: Mapping[str, Forward], wanted: Mapping[str, Forward], *, replaces: str | None, context: str = ""
) -> Plan:
    """`replaces`: the source whose running forwards end when they are not wanted any more; None: nothing ends. `context`:
    only those in this one do."""
    gone = (
        n
        for n, f in running.items()
        if n not in wanted and replaces is not None and f.source == replaces and context in ("", f.context)
    )
    return Plan(
        stop=tuple(gone),
        start=tuple(n for n in wanted if n not in running),
        restart=tuple(n for n, f in wanted.items() if n in running and running[n] != f),
        keep=tuple(n for n, f in wanted.items() if n in running and running[n] == f),
    )


def only_in(
    context: str, running: Mapping[str, Forward], wanted: Mapping[str, Forward]
) -> dict[str, Forward]:
    """Of `wanted` what is in this context, before or now; "": all."""
    return {
        name: forward
        for name, forward in wanted.items()
        if context in ("", forward.context) or (name in running and running[name].context == context)
    }


def keep_pins(running: Mapping[str, Forward], wanted: Mapping[str, Forward]) -> dict[str, Forward]:
    """`wanted`, but what is up and named no context stays where it is although the current context changed."""
    return {name: _pinned(running.get(name), forward) for name, forward in wanted.items()}


def only_moves(old: Forward, new: Forward) -> bool:
    """Its kubeconfig's current context is another one, and nothing else has changed. What has an address of its own in
    each cluster cannot move."""
    moved = replace(old, context=new.context, namespace=new.namespace)
    return new.context_follows and new.enabled and moved == new and not has_own_address(new.method)


def _pinned(old: Forward | None, new: Forward) -> Forward:
    if new.context_follows:
        return new
    if old is None or not (old.context_is_default and new.context_is_default):
        return new
    if new.enabled and not old.enabled:  # it was nowhere
        return new
    if old.kubeconfig != new.kubeconfig:  # the user came with another file: that is a wish, not a side effect
        return new
    namespace = old.namespace if old.namespace_is_default and new.namespace_is_default else new.namespace
    return replace(new, context=old.context, namespace=namespace)
