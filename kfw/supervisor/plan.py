"""running + wanted -> what to stop, start, restart and leave alone. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from kfw.choices import has_own_address
from kfw.model import Forward
from kfw.names import RowId

K = TypeVar("K")


@dataclass(frozen=True)
class Plan:
    """A restart is a forward whose entry changed; everything in `keep` is not touched at all."""

    stop: tuple[RowId, ...] = ()
    start: tuple[RowId, ...] = ()
    restart: tuple[RowId, ...] = ()
    keep: tuple[RowId, ...] = ()
    #: What `kfw add` brought and a project has now, word for word: the project's, and untouched.
    taken: tuple[RowId, ...] = ()

    def __add__(self, later: "Plan") -> "Plan":
        """What both have done. What was told once is not told as kept."""
        told = {*self.stop, *self.start, *self.restart, *self.keep}
        return Plan(
            self.stop + later.stop,
            self.start + later.start,
            self.restart + later.restart,
            self.keep + tuple(row for row in later.keep if row not in told),
            self.taken + later.taken,
        )

    @property
    def changes(self) -> bool:
        return bool(self.stop or self.start or self.restart)


def plan(
    running: Mapping[RowId, Forward],
    wanted: Mapping[RowId, Forward],
    *,
    replaces: str | None,
    context: str = "",
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


def only_in(context: str, running: Mapping[K, Forward], wanted: Mapping[K, Forward]) -> dict[K, Forward]:
    """Of `wanted` what is in this context, before or now; "": all."""
    return {
        key: forward
        for key, forward in wanted.items()
        if context in ("", forward.context) or (key in running and running[key].context == context)
    }


def keep_pins(running: Mapping[K, Forward], wanted: Mapping[K, Forward]) -> dict[K, Forward]:
    """`wanted`, but what is up and named no context stays where it is although the current context changed."""
    return {key: _pinned(running.get(key), forward) for key, forward in wanted.items()}


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


def same_in(
    project: str, running: Mapping[RowId, Forward], wanted: Mapping[RowId, Forward]
) -> dict[RowId, RowId]:
    """Of `wanted` what is not up, but is in this other project, word for word: with the row there."""
    found = {row: RowId(project, row.name) for row in wanted if row.project != project and row not in running}
    return {
        row: other
        for row, other in found.items()
        if other in running and replace(running[other], source=row.project) == wanted[row]
    }


def shared_rows(running: Mapping[RowId, Forward], wanted: Mapping[RowId, Forward]) -> dict[RowId, RowId]:
    """Of `wanted` what another project has word for word, as both read the user's config, and who has it: one port serves
    both. What has no port of its own yet can have one each."""
    having: dict[tuple[str, int], list[Forward]] = {}
    for row, forward in running.items():
        now = wanted.get(row, forward)
        if now.enabled:
            having.setdefault((now.name, now.local_port), []).append(now)
    shared: dict[RowId, RowId] = {}
    for row, forward in wanted.items():
        if row in running or not (forward.enabled and forward.local_port):
            continue
        those = having.setdefault((forward.name, forward.local_port), [])
        twin = next((one for one in those if replace(one, source=forward.source) == forward), None)
        if twin:
            shared[row] = twin.id
        else:
            those.append(forward)
    return shared


class SharedPorts:
    """Rows that are none of their own: each with the row that serves it."""

    def __init__(self) -> None:
        self._holders: dict[RowId, RowId] = {}

    def items(self) -> list[tuple[RowId, RowId]]:
        return list(self._holders.items())

    def holder(self, row: RowId) -> RowId:
        """The row that serves it; a row that is one serves itself."""
        return self._holders.get(row, row)

    def add(self, shared: Mapping[RowId, RowId]) -> None:
        self._holders |= shared

    def remove(self, rows: Iterable[RowId]) -> list[RowId]:
        """These are not wanted any more. Returns those that were shared."""
        return [row for row in rows if self._holders.pop(row, None)]

    def move(self, holder: RowId, new: RowId) -> None:
        """The row has another id from now on, which may have been a shared one."""
        self._holders.pop(new, None)
        self._holders = {row: new if one == holder else one for row, one in self._holders.items()}

    def end(self, holders: Iterable[RowId]) -> list[tuple[RowId, RowId]]:
        """These rows serve nobody any more. Returns whom they have served, each with the row."""
        gone = set(holders)
        left = [(row, holder) for row, holder in self._holders.items() if holder in gone]
        self.remove(row for row, _ in left)
        return left
