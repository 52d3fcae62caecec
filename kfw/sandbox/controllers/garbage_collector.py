"""What goes when something else went: the dependents of an owner, the content of a namespace. Pure."""

from kfw.sandbox.api import kinds
from kfw.sandbox.controllers.actions import Actions, Create, Delete, View
from kfw.sandbox.objects import Object, is_leaving, name_of, uid_of


def orphans(view: View) -> Actions:
    """Delete what has owners, none of which exists any more."""
    alive = {uid_of(thing) for resource in kinds.RESOURCES for thing in view.list(resource)}
    for resource in kinds.NAMESPACED:
        for thing in view.list(resource):
            owners = thing["metadata"].get("ownerReferences") or []
            if owners and not is_leaving(thing) and not any(owner["uid"] in alive for owner in owners):
                yield Delete(resource, thing)


def namespace(one: Object, view: View) -> Actions:
    """Empty a namespace that is leaving, and let it go when it is empty; furnish one that is new."""
    inside = [
        (resource, thing) for resource in kinds.NAMESPACED for thing in view.list(resource, name_of(one))
    ]
    if is_leaving(one):
        yield from (Delete(resource, thing) for resource, thing in inside if not is_leaving(thing))
        if not inside:
            yield Delete(kinds.NAMESPACES, one, at_once=True)
    elif view.find(kinds.SERVICEACCOUNTS, name_of(one), "default") is None:
        yield Create(kinds.SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": name_of(one)}})
