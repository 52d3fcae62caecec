"""The family of methods, and which of them a forward gets: the first that can, with a word on each that cannot."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from kfw.errors import KfwError, Shortage
from kfw.methods.base import Method, OpenRequest, Tunnel
from kfw.methods.eof_behaviour import EofBehaviour
from kfw.model import Endpoint, Forward, Problem, Reason, Resolution, problem_of
from kfw.names import RowName

if TYPE_CHECKING:
    from kfw.methods.forwarder.kind_nodes import Engines
    from kfw.methods.tunnel.method import Servers
    from kfw.system.process import Children

#: What `auto` tries, in this order: the shortest path, then the same through docker where the nodes are containers behind
#: a wall, then the one that needs only the API, then what may log in better.
AUTO = ("nodeport", "forwarder", "tunnel", "kubectl")

Methods = Mapping[str, Method]


@dataclass(frozen=True)
class Rejected:
    method: str
    problem: Problem
    tried: bool = False  # it was opened and failed; else there was no need to try


@dataclass(frozen=True)
class OpenPath:
    method: Method
    tunnel: Tunnel
    rejected: tuple[Rejected, ...]
    cluster: int = 0  # Resolution.cluster when it was opened


class _Family(Methods):
    """Each member is imported and made when it is first asked for: few people use all of them."""

    def __init__(self, makers: Mapping[str, Callable[[], Method]]) -> None:
        self._makers = makers
        self._made: dict[str, Method] = {}

    def __getitem__(self, name: str) -> Method:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def all_methods(children: "Children", servers: "Servers") -> Methods:
    @cache
    def engines() -> "Engines":
        from kfw.methods.forwarder.kind_nodes import Engines

        return Engines(children)

    def nodeport() -> Method:
        from kfw.methods.forwarder.method import Direct

        return Direct(engines())

    def forwarder() -> Method:
        from kfw.methods.forwarder.method import Forwarder

        return Forwarder(children, engines())

    def tunnel() -> Method:
        from kfw.methods.tunnel.method import TunnelMethod

        return TunnelMethod(servers)

    def socat() -> Method:
        from kfw.methods.socat import Socat

        return Socat(children)

    def kubectl() -> Method:
        from kfw.methods.kubectl import Kubectl

        return Kubectl(children)

    def kubefwd() -> Method:
        from kfw.methods.kubefwd.method import Kubefwd

        return Kubefwd(children)

    members = (
        nodeport,
        forwarder,
        tunnel,
        socat,
        kubectl,
        kubefwd,
    )
    return _Family({member.__name__: member for member in members})


def candidates(methods: Methods, forward: Forward) -> tuple[str, ...]:
    if forward.method == "auto":
        return tuple(name for name in AUTO if name in methods)
    return (forward.method,)


def owned_by_child(methods: Methods, forward: Forward) -> bool:
    """True when a child binds the local port, so that kfw must not."""
    method = methods.get(forward.method)
    return method is not None and method.owns_port


def endpoints_for(method: Method, resolution: Resolution) -> tuple[Endpoint, ...]:
    return resolution.pods if method.wants == "pod" else resolution.nodes


def obstacle(methods: Methods, forward: Forward, resolution: Resolution) -> Problem | None:
    """Why no candidate could even be tried; None when one can."""
    known = [methods[name] for name in candidates(methods, forward) if name in methods]
    problems = [_nowhere(method, resolution) for method in known]
    if len(known) == 0 or any(problem is None for problem in problems):
        return None  # with no such method at all, opening says so
    return resolution.problem or problems[0]


def needs_api(methods: Methods, forward: Forward, resolution: Resolution) -> bool:
    """No candidate has an endpoint that is reached without the API server."""
    known = [methods[name] for name in candidates(methods, forward) if name in methods]
    return not any(method.wants == "node" and endpoints_for(method, resolution) for method in known)


async def open_path(
    methods: Methods,
    forward: Forward,
    resolution: Resolution,
    environ: Mapping[str, str] | None = None,
    eof_behaviour: Callable[[Method], EofBehaviour] = lambda _: EofBehaviour(),
    row_name: RowName | None = None,
) -> OpenPath:
    """Open the first candidate that can. Raises a KfwError with the words of all, or with those of the pods.

    `eof_behaviour`: what earlier paths of a method have learned."""
    rejected: list[Rejected] = []
    for name in candidates(methods, forward):
        problem = why_not(methods, name, resolution, environ)
        tried = problem is None
        if problem is None:
            method = methods[name]
            try:
                endpoints = endpoints_for(method, resolution)
                request = OpenRequest(
                    forward, endpoints, resolution.sticky, environ, eof_behaviour(method), row_name
                )
                tunnel = await method.open(request)
            except KfwError as error:
                if answers_for_pods(method, error) or isinstance(error, Shortage):
                    raise
                problem = problem_of(error)
            else:
                return OpenPath(method, tunnel, tuple(rejected), resolution.cluster)
        rejected.append(Rejected(name, problem, tried))
    raise _told(rejected)


def answers_for_pods(method: Method, error: KfwError) -> bool:
    """The pods themselves have refused, so another method would only hear the same."""
    return error.reason == Reason.APP_REFUSES and method.wants == "pod"


def why_not(
    methods: Methods, name: str, resolution: Resolution, environ: Mapping[str, str] | None = None
) -> Problem | None:
    method = methods.get(name)
    if method is None:
        return Problem(
            Reason.BAD_CONFIG, f"unknown method '{name}'", f"use one of auto, {', '.join(methods)}"
        )
    if missing := method.missing(environ):
        return problem_of(missing)
    told = resolution.problem or resolution.warning
    if method.logs_in and resolution.needs_person and told:
        return told  # its child would ask, and nobody waits
    return _nowhere(method, resolution)


def _nowhere(method: Method, resolution: Resolution) -> Problem | None:
    if endpoints_for(method, resolution):
        return None
    if resolution.problem:
        return resolution.problem
    if method.wants == "node" and resolution.no_node_port:
        return resolution.no_node_port
    return Problem(Reason.NO_READY_POD, f"no {method.wants} found for it")


def _told(rejected: Sequence[Rejected]) -> KfwError:
    """The last one that was tried, else the last; the others' words come behind it."""
    main = next((r for r in reversed(rejected) if r.tried), rejected[-1])
    others = "".join(f"; {r.method}: {r.problem.message}" for r in rejected if r is not main)
    return KfwError(main.problem.message + others, main.problem.fix, reason=main.problem.reason.value)
