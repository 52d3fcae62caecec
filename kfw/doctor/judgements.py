"""What answers mean: rights, versions, days of a certificate. Pure."""

import re
from collections.abc import Iterator, Mapping

from kfw.choices import KINDS
from kfw.doctor.hops import Hop, fault_of
from kfw.errors import NotPermitted
from kfw.kube.resource import ENDPOINTSLICES, OF_KIND, PODS, REPLICASETS
from kfw.model import Target
from kfw.quickstart.checks import Finding, ok, warning
from kfw.target.access_review import FORWARD, Right

#: kubectl goes with API servers that are so many minor versions older or newer:
#: https://kubernetes.io/releases/version-skew-policy/#kubectl
_SKEW = 1
#: The first minor version that serves EndpointSlices as discovery.k8s.io/v1.
_OLDEST = (1, 21)
#: Days before the end of a certificate.
_SOON = 14
_MINOR = re.compile(r"v?(\d+)\.(\d+)")
#: Methods that forward through the API, and only so.
_ONLY_API = frozenset({"tunnel", "kubectl", "kubefwd"})

#: None: the API server does not say.
Allowed = Mapping[Right, bool | None]


def rights_for(target: Target | None) -> tuple[Right, ...]:
    """What kfw does to follow this target, None: any, and to forward to its pods."""
    kind = target.kind.value if target else "service"
    resources = [OF_KIND[kind], *([ENDPOINTSLICES] if kind == "service" else []), PODS]
    if KINDS[kind].pods_by == "replicasets":
        resources.append(REPLICASETS)
    resources = list(dict.fromkeys(resources))
    return (*(Right(verb, one) for one in resources for verb in ("list", "watch")), FORWARD)


def judge_rights(allowed: Allowed, method: str, who: str, where: str) -> Iterator[Finding]:
    """`who`: `user ada`, `where`: `namespace shop of context dev`. The worst comes first."""
    denied = [right for right, may in allowed.items() if may is False]
    if not denied:
        unknown = any(may is None for may in allowed.values())
        what = f"{who} may do all that is needed in {where}"
        yield (
            warning(Hop.RIGHTS, f"the API server does not say what {who} may do in {where}")
            if unknown
            else ok(Hop.RIGHTS, what)
        )
        return
    fix = f"ask who runs the cluster for a role with {', '.join(map(str, denied))} in {where}"
    faults = [right for right in denied if _is_needed(right, allowed, method)]
    if faults:
        what = f"{who} may not {' or '.join(map(str, faults))} in {where}"
        yield fault_of(Hop.RIGHTS, NotPermitted(what, fix))
        return
    yield warning(Hop.RIGHTS, f"{who} may not {' or '.join(map(str, denied))} in {where}", fix)


def _is_needed(right: Right, allowed: Allowed, method: str) -> bool:
    """Without slices the pods will do, and without pods the slices; who may not watch is asked again every few seconds."""
    if right == FORWARD:
        return method in _ONLY_API
    if right.verb == "watch" or right.resource == REPLICASETS:
        return False
    other = {ENDPOINTSLICES: PODS, PODS: ENDPOINTSLICES}.get(right.resource)
    return allowed.get(Right("list", other), False) is False if other else True


def judge_version(server: str, kubectl: str) -> Iterator[Finding]:
    """`v1.34.0` and `1.33.2`; "" for a kubectl that is not there."""
    ours, theirs = _minor(kubectl), _minor(server)
    beside = f", kubectl {kubectl}" if kubectl else ""
    yield ok(Hop.VERSION, f"Kubernetes {server}{beside}")
    if theirs and theirs < _OLDEST:
        what = f"Kubernetes {server} is older than {_OLDEST[0]}.{_OLDEST[1]}, so services cannot be followed"
        yield warning(Hop.VERSION, what, "name pods or deployments as targets")
    if ours and theirs and (ours[0] != theirs[0] or abs(ours[1] - theirs[1]) > _SKEW):
        what = f"kubectl {kubectl} is more than one minor version away from Kubernetes {server}"
        yield warning(Hop.VERSION, what, f"install kubectl {theirs[0]}.{theirs[1]}")


def judge_certificate(days: float | None, server: str) -> Iterator[Finding]:
    """`days` until it ends; None: not known."""
    if days is not None and days < _SOON:
        what = f"the certificate of {server} ends in {max(int(days), 0)} days"
        yield warning(Hop.TLS, what, "have it renewed: kubeadm certs renew apiserver")


def _minor(version: str) -> tuple[int, int] | None:
    found = _MINOR.match(version)
    return (int(found[1]), int(found[2])) if found else None
