"""TYPE/NAME: what kubectl can forward to, by all the names that it takes for it. Pure."""

from dataclasses import dataclass

from kfw.choices import KINDS, KindTraits
from kfw.kube.resource import OF_KIND, Resource
from kfw.kubectl_compat.kubectl_error import KubectlError


@dataclass(frozen=True)
class Reference:
    """`kind` is one of choices.KINDS, `typed` what stood before the slash."""

    kind: str
    name: str
    typed: str = "pods"

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def traits(self) -> KindTraits:
        return KINDS[self.kind]

    @property
    def resource(self) -> Resource:
        return OF_KIND[self.kind]


def reference(text: str) -> Reference:
    """`svc/web`, `deployment.apps/web`, `deployments.v1.apps/web`; `web` alone is a pod. Raises Told."""
    if not text:
        raise KubectlError("error: resource name may not be empty")
    kind, slash, name = text.partition("/")
    if not slash:
        return Reference("pod", text)
    if "/" in name:
        raise KubectlError("error: arguments in resource/name form may not have more than one slash")
    if not kind or not name or "," in kind:
        raise KubectlError("error: arguments in resource/name form must have a single resource and name")
    return Reference(_kind(kind), name, kind)


def _kind(text: str) -> str:
    """Singular and plural in upper or lower case, as kubectl does; short names as they are."""
    kind, _, group = text.partition(".")
    for name, one in KINDS.items():
        known = kind.lower() in (name, one.plural) or (one.short and kind == one.short)
        if known and _is_group(group, OF_KIND[name]):
            return name
    raise unknown(kind)


def unknown(kind: str) -> KubectlError:
    return KubectlError(f'error: the server doesn\'t have a resource type "{kind}"')


def _is_group(group: str, resource: Resource) -> bool:
    """Nothing, the group, or the version and the group; the core has no name."""
    return not group or (
        bool(resource.group) and group in (resource.group, f"{resource.version}.{resource.group}")
    )
