"""k9s' annotations of pods, `k9scli.io/auto-port-forwards` and `k9scli.io/port-forwards`. Pure.

`container::[local:]port`, with commas between several: https://k9scli.io/topics/features/, "FastForwards".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kfw.config.imports.found import ImportedForwards, port, shown
from kfw.config.tree import Place

ANNOTATIONS = ("k9scli.io/auto-port-forwards", "k9scli.io/port-forwards")
_ONE = re.compile(r"(?:(?P<container>[\w.-]+)::)?(?:(?P<local>[0-9]*):)?(?P<port>[\w-]+)(?:/[0-9]+)?")


@dataclass(frozen=True)
class AnnotatedTarget:
    """`target`: the workload of the pod, or the pod if it has none. `value`: what the annotation says."""

    target: str
    namespace: str
    annotation: str
    value: str


def read(targets: Iterable[AnnotatedTarget], context: str) -> ImportedForwards:
    """Pods of one workload say the same, and are one forward. `context`: "" for the current one."""
    found = ImportedForwards()
    nowhere = Place("the cluster", 0)
    for one in sorted(
        set(targets), key=lambda one: (one.target, ANNOTATIONS.index(one.annotation), one.value)
    ):
        name = one.target.partition("/")[2]
        said = [each.strip() for each in one.value.split(",") if each.strip()]
        for each in said:
            match = _ONE.fullmatch(each)
            if not match:
                found.leave(nowhere, f"{one.annotation} of {one.target}: {shown(each)} is not understood")
                continue
            remote = port(match["port"])
            local = port(match["local"] or "") or (remote if isinstance(remote, int) else None)
            entry: dict[str, object] = {
                "target": one.target,
                "targetPort": remote,
                "localPort": local if local is not None else 0,
                "namespace": one.namespace,
                "context": context,
            }
            note = f"container {match['container']}" if match["container"] else ""
            found.add(
                nowhere,
                f"{name}-{remote}" if len(said) > 1 else name,
                entry,
                *filter(None, [f"{one.annotation} {note}".strip()]),
            )
    return found
