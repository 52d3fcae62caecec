"""The services of a namespace that a selector selects, as what a target.watcher.TargetWatcher looks up."""

from dataclasses import dataclass, replace

from kfw.kube.resource import SERVICES
from kfw.model import Problem, Reason, Resolution
from kfw.target.objects import Needs, Objects, Service


@dataclass(frozen=True)
class ServicesFound(Resolution):
    """`services`: by name; None while nothing is known. With a `problem` they are those that were known last."""

    services: tuple[Service, ...] | None = None


class ServiceLookup:
    """See target.watcher.Lookup. `labels`: a labelSelector; "" selects all."""

    known = ServicesFound()

    def __init__(self, labels: str) -> None:
        where = {SERVICES: {"labelSelector": labels}} if labels else {}
        self._needs = Needs(frozenset({SERVICES}), where=where)

    def needs(self, objects: Objects, *, doubt: bool) -> Needs:
        return self._needs

    async def resolve(self, objects: Objects, server: object) -> Resolution:
        if objects.services is None:
            return replace(self.known, problem=objects.why_unknown(SERVICES))
        found = tuple(objects.services[name] for name in sorted(objects.services))
        if not found and objects.namespace_missing:
            return ServicesFound(problem=_no_namespace(objects), services=())
        if not found:
            missing = Problem(Reason.TARGET_NOT_FOUND, f"no service in namespace {objects.namespace} fits")
            return ServicesFound(problem=missing, services=())
        return ServicesFound(services=found)


def _no_namespace(objects: Objects) -> Problem:
    return Problem(
        Reason.TARGET_NOT_FOUND,
        f'namespaces "{objects.namespace}" not found in context {objects.context}',
        "its services are taken up when it is there",
    )
