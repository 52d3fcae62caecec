"""A kfw.yaml of what a cluster has: its services, asked for as `kfw targets` does."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kfw.config.from_targets import FoundPort, config_text
from kfw.errors import UsageError
from kfw.kubeconfig.load import default_files, load
from kfw.kubeconfig.pin import current_context
from kfw.system.loop import run
from kfw.target.inventory import ListedTarget
from kfw.target.listing import Listing, find_targets


@dataclass(frozen=True)
class ClusterConfig:
    """`started`: how many of its forwards `kfw up` starts."""

    text: str
    summary: str
    started: int


def config_of(
    context: str | None, kubeconfig: str | None, namespace: str | None, *, everywhere: bool
) -> ClusterConfig:
    """Raises KfwError; UsageError where there is nothing to forward."""
    known = load(default_files(kubeconfig or os.environ.get("KUBECONFIG")))
    access = known.access(context or current_context(known))
    where = "" if everywhere else namespace or access.namespace
    listing = run(find_targets(access, where, ""))
    found = list(_ports(listing))
    if not found:
        place = f"namespace {where}" if where else "any namespace"
        fix = (
            "`kfw init --from-cluster -A` searches all namespaces"
            if where
            else "`kfw init` writes an example"
        )
        raise UsageError(f"cannot find a service to forward to in {place} of context {access.context}", fix)
    defaults = {"context": access.context}
    if kubeconfig:
        defaults["kubeconfig"] = str(Path(kubeconfig).absolute())
    text = config_text(defaults, found, list(_remarks(listing)), time.strftime("%Y-%m-%d"))
    started = sum(not one.why_not for one in found)
    off = f", {len(found) - started} of them disabled: no pod is ready" if started < len(found) else ""
    return ClusterConfig(text, f"{len(found)} forward{'s' if len(found) > 1 else ''}{off}", started)


def _services(listing: Listing) -> list[ListedTarget]:
    return [one for one in listing.targets if one.target.startswith("service/")]


def _ports(listing: Listing) -> Iterator[FoundPort]:
    for one in _services(listing):
        if _has_no_pods(one, listing):
            continue
        why_not = "no pod was ready" if one.ready == 0 else ""
        for number, port in enumerate(one.ports):
            name = one.target.partition("/")[2]
            yield FoundPort(one.namespace, name, port.number, port.name, number == 0, why_not)


def _has_no_pods(service: ListedTarget, listing: Listing) -> bool:
    """It selects none, as that of the API server. Where pods may not be listed that is not known."""
    return service.pods is None and not listing.denied


def _remarks(listing: Listing) -> Iterator[str]:
    for one in _services(listing):
        if _has_no_pods(one, listing):
            yield f"Left out: {one.target} of namespace {one.namespace} selects no pods."
        elif not one.ports:
            yield f"Left out: {one.target} of namespace {one.namespace} has no TCP port."
    if listing.denied:
        yield f"You may not list {listing.denied} there, so these are missing."
    if refused := _not_permitted(listing.targets):
        yield f"You may not forward to pods in {', '.join(refused)}: only node ports can work there."


def _not_permitted(targets: Sequence[ListedTarget]) -> list[str]:
    return sorted({one.namespace for one in targets if one.may_forward is False})
