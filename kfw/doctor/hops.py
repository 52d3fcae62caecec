"""The hops from this machine to an app, in order: what each is about, and how long it may take. And what was found. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kfw.errors import KfwError
from kfw.quickstart.checks import Finding, Level, error, first_error
from kfw.reasons import exit_code_of


class Scope(StrEnum):
    """What a hop is asked for once."""

    MACHINE = "machine"
    CLUSTER = "cluster"
    FORWARD = "forward"


class Hop(StrEnum):
    FILES = "files"
    TOOLS = "tools"
    KUBECONFIG = "kubeconfig"
    LOOKUP = "name lookup"
    TCP = "tcp"
    TLS = "tls"
    LOGIN = "login"
    VERSION = "version"
    RIGHTS = "rights"
    TARGET = "target"
    POD = "pod"
    POD_PORT = "port in the pod"
    LOCAL_PORT = "local port"
    ANSWER = "answer"


class HopTraits(NamedTuple):
    """`seconds`: how long it may take. `doing`: what it does, for who waits."""

    scope: Scope
    seconds: float
    doing: str


#: In the order in which they are asked: each needs those before it.
HOPS: Mapping[Hop, HopTraits] = {
    Hop.FILES: HopTraits(Scope.MACHINE, 5.0, "reading the config files"),
    Hop.TOOLS: HopTraits(Scope.MACHINE, 15.0, "asking the tools for their versions"),
    Hop.KUBECONFIG: HopTraits(Scope.CLUSTER, 5.0, "reading the kubeconfig"),
    Hop.LOOKUP: HopTraits(Scope.CLUSTER, 5.0, "looking the API server's name up"),
    Hop.TCP: HopTraits(Scope.CLUSTER, 5.0, "connecting to the API server"),
    Hop.TLS: HopTraits(Scope.CLUSTER, 6.0, "checking the API server's certificate"),
    Hop.LOGIN: HopTraits(Scope.CLUSTER, 60.0, "logging in"),  # a plugin may ask a person
    Hop.VERSION: HopTraits(Scope.CLUSTER, 6.0, "comparing versions"),
    Hop.RIGHTS: HopTraits(Scope.FORWARD, 8.0, "asking what this user may do"),
    Hop.TARGET: HopTraits(Scope.FORWARD, 10.0, "looking for the target"),
    Hop.POD: HopTraits(Scope.FORWARD, 5.0, "looking for a ready pod"),
    Hop.POD_PORT: HopTraits(Scope.FORWARD, 12.0, "connecting to the port in the pod"),
    Hop.LOCAL_PORT: HopTraits(Scope.FORWARD, 3.0, "looking at the local port"),
    Hop.ANSWER: HopTraits(Scope.FORWARD, 10.0, "asking the app"),
}


@dataclass(frozen=True)
class Section:
    """What was found for one machine, cluster or forward. `name`: the context's or the forward's, "" for the machine.

    `not_asked`: the hops behind the first fault.
    """

    scope: Scope
    name: str
    findings: tuple[Finding, ...] = ()
    not_asked: tuple[Hop, ...] = ()

    @property
    def fault(self) -> Finding | None:
        return first_error(self.findings)

    def __add__(self, later: "Section") -> "Section":
        return Section(
            self.scope, self.name, self.findings + later.findings, self.not_asked + later.not_asked
        )


def hops_of(*scopes: Scope) -> tuple[Hop, ...]:
    return tuple(hop for hop, traits in HOPS.items() if traits.scope in scopes)


def unasked(scope: Scope, name: str, hops: Iterable[Hop] | None = None) -> Section:
    """Behind a fault that is somebody else's; without `hops` all of the scope."""
    return Section(scope, name, not_asked=hops_of(scope) if hops is None else tuple(hops))


def fault_of(hop: Hop, why: KfwError) -> Finding:
    """Its exit code is that of the reason where the reason has one."""
    found = error(hop.value, why)
    code = exit_code_of(why.reason, without=why.exit_code)
    return Finding(found.check, found.level, found.what, found.fix, code)


def first_fault(sections: Sequence[Section]) -> tuple[Section, Finding] | None:
    return next(((section, fault) for section in sections if (fault := section.fault)), None)


def as_json(sections: Sequence[Section]) -> dict[str, object]:
    first = first_fault(sections)
    return {
        "ok": first is None,
        "exitCode": first[1].exit_code if first else 0,
        "fault": {**_place(first[0]), **_as_json(first[1])} if first else None,
        "sections": [section_as_json(section) for section in sections],
    }


def section_as_json(section: Section) -> dict[str, object]:
    return {
        **_place(section),
        "findings": [_as_json(finding) for finding in section.findings],
        "notAsked": list(section.not_asked),
    }


def _place(section: Section) -> dict[str, str]:
    return {"about": section.scope.value, "name": section.name}


def _as_json(finding: Finding) -> dict[str, object]:
    found: dict[str, object] = {
        "hop": finding.check,
        "level": finding.level.value,
        "what": finding.what,
        "fix": finding.fix,
    }
    return found | ({"exitCode": finding.exit_code} if finding.level is Level.ERROR else {})
