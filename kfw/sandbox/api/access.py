"""Who asks, and may they: users by client certificate or token, and access reviews. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from kfw.sandbox.api import kinds
from kfw.sandbox.objects import Object

#: The verbs of a user who may look and forward ports, and nothing else.
LOOK_AND_FORWARD = frozenset({"get", "list", "watch", "create pods/portforward", "get pods/portforward"})
#: Subresources that lead into a pod: a verb alone does not allow them.
_INTO_PODS = ("portforward", "exec", "attach")


@dataclass(frozen=True)
class User:
    """`namespaces` None: may do everything. Else: `verbs` on what lives in these namespaces, and elsewhere only what is in
    `everywhere`."""

    name: str
    groups: tuple[str, ...] = ()
    namespaces: frozenset[str] | None = None
    verbs: frozenset[str] = LOOK_AND_FORWARD
    everywhere: frozenset[str] = frozenset()


ADMIN = User("kfw-sandbox-admin", ("system:masters",))


@dataclass
class Users:
    """The users that exist: by the common name of their certificate, and by token."""

    by_name: dict[str, User] = field(default_factory=lambda: {ADMIN.name: ADMIN})
    by_token: dict[str, User] = field(default_factory=dict)

    def who(self, common_name: str | None, headers: Mapping[str, str]) -> User | None:
        """None: no valid login. A token counts before the certificate, as on the real server."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.by_token.get(token.strip())
        return self.by_name.get(common_name or "")


def may(user: User, verb: str, resource: kinds.Resource | str, namespace: str, subresource: str = "") -> bool:
    """`resource` a kind, or what somebody wrote for one in an access review."""
    review = isinstance(resource, kinds.Resource) and resource.verbs is kinds.REVIEW
    if user.namespaces is None or review:
        return True
    named = resource.plural if isinstance(resource, kinds.Resource) else resource
    verbs = user.everywhere | (user.verbs if namespace in user.namespaces else frozenset())
    return allows(verbs, verb, named, subresource)


def allows(verbs: Collection[str], verb: str, resource: str, subresource: str = "") -> bool:
    """Whether `VERB` or `VERB RESOURCE` or `VERB RESOURCE/SUBRESOURCE` is among `verbs`."""
    named = f"{resource}/{subresource}" if subresource else resource
    return f"{verb} {named}" in verbs or (verb in verbs and subresource not in _INTO_PODS)


def answer_review(user: User, resource: kinds.Resource, review: Object) -> Object:
    """The answer to a SelfSubject...Review."""
    base = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"creationTimestamp": None},
    }
    spec = review.get("spec") or {}
    if resource is kinds.ACCESS_REVIEWS:
        return {**base, "spec": spec, "status": {"allowed": _allowed(user, spec)}}
    if resource is kinds.RULES_REVIEWS:
        return {**base, "spec": spec, "status": _rules(user, spec.get("namespace", ""))}
    info = {"username": user.name, "groups": [*user.groups, "system:authenticated"]}
    return {**base, "status": {"userInfo": info}}


def _allowed(user: User, spec: Object) -> bool:
    wanted = spec.get("resourceAttributes")
    if wanted is None:
        return True
    named = wanted.get("resource", "")
    resource = kinds.BY_PLURAL.get(named, named)
    subresource = wanted.get("subresource", "")
    return may(user, wanted.get("verb", ""), resource, wanted.get("namespace", ""), subresource)


def _rules(user: User, namespace: str) -> Object:
    everything = user.namespaces is None
    mine = everything or namespace in (user.namespaces or ())
    verbs = ["*"] if everything else sorted(verb for verb in user.verbs if " " not in verb)
    rules = [{"verbs": verbs, "apiGroups": ["*"], "resources": ["*"]}] if mine else []
    paths = [{"verbs": ["get"], "nonResourceURLs": ["*"]}]
    return {"resourceRules": rules, "nonResourceRules": paths, "incomplete": False}
