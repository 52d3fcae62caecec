"""While every new connection fails `active` is not said for more than 2 s, and each lost connection is counted.

Each test has a forward by each method, to one app, with a load of its own: what is waited for is waited for by all at once.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from kfw.choices import METHODS
from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.whole.load import GET, Load, loads, until
from tests.whole.place import Place
from tests.whole.program import Program

Ports = Callable[[int], list[int]]

#: Seconds for which `active` may be said while all fail.
AT_MOST = 2.0
#: Seconds of a fault.
FAULT = 4.0
SLOW = b"GET /slow?ms=3000 HTTP/1.1\r\nHost: web\r\n\r\n"


def usable(methods: Sequence[str]) -> list[str]:
    """Those whose tool is installed; a forward bears its method's name."""
    found = [name for name in methods if not METHODS[name].tool or shutil.which(METHODS[name].tool)]
    return found or pytest.skip(f"none of {', '.join(methods)} can be used here")


@contextmanager
def forwards(
    kfw: Program,
    shared: Place,
    where: str,
    ports: Mapping[str, int],
    *,
    image: str = "kfw/http",
    per_second: float = 20,
    says: bytes = GET,
    stays: bool = False,
) -> Iterator[dict[str, Load]]:
    """By method: a forward to a service with node ports, and connections through it."""
    shared.apply(
        deployment(where, "web", image, ports={"http": 8080}, replicas=2),
        service(where, "web", service_port(8080, "http"), kind="NodePort"),
    )
    entry = {"target": "service/web", "targetPort": 8080, "namespace": where}
    kfw.up({name: {**entry, "localPort": port, "method": name} for name, port in ports.items()})
    with loads(kfw, ports, per_second=per_second, says=says, stays=stays) as seen:
        yield seen


def answered(seen: Load, since: float = 0.0) -> int:
    return sum(one.how == "answered" and one.began > since for one in seen.tries)


# -- faults


def stopped_child(kfw: Program, shared: Place, where: str, names: Sequence[str]) -> Iterator[None]:
    for name in names:
        os.kill(kfw.status(name)["pid"], signal.SIGSTOP)
    yield


def killed_child(kfw: Program, shared: Place, where: str, names: Sequence[str]) -> Iterator[None]:
    for name in names:
        os.kill(kfw.status(name)["pid"], signal.SIGKILL)
    yield


def silent_tunnels(kfw: Program, shared: Place, where: str, names: Sequence[str]) -> Iterator[None]:
    silence = shared.do(lambda sandbox: sandbox.faults.silent("tunnels"))
    shared.do(lambda sandbox: silence.__enter__())
    try:
        yield
    finally:
        shared.do(lambda sandbox: silence.__exit__(None, None, None))


def refusing_pods(kfw: Program, shared: Place, where: str, names: Sequence[str]) -> Iterator[None]:
    shared.annotate_pods(where, listen="false")
    try:
        yield
    finally:
        shared.annotate_pods(where, listen="true")


@dataclass(frozen=True)
class Case:
    """`says`: words that a message has, by method. `untold`: methods whose status need not tell of it: nothing fails for
    long. `uncounted`: those of which losses are not compared, as connections stand still and are not lost."""

    fault: Callable[[Program, Place, str, Sequence[str]], Iterator[None]]
    says: Mapping[str, str]
    untold: bool = False
    uncounted: bool = False

    def happens(
        self, kfw: Program, shared: Place, where: str, names: Sequence[str]
    ) -> AbstractContextManager[None]:
        return contextmanager(self.fault)(kfw, shared, where, names)


CASES = (
    Case(
        stopped_child,
        {"kubectl": "kubectl is stopped (SIGSTOP)", "socat": "socat is stopped (SIGSTOP)"},
    ),
    Case(killed_child, {"kubectl": "", "socat": ""}, untold=True),
    Case(silent_tunnels, {"kubectl": "got no answer within", "tunnel": ""}, uncounted=True),
    Case(refusing_pods, {"kubectl": "refused", "socat": "", "tunnel": "nothing listens", "nodeport": ""}),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault.__name__)
def test_while_all_connections_fail_active_is_not_said_it_is_again_soon_after_and_losses_are_those_that_clients_see(
    kfw: Program, shared: Place, namespace: str, ports: Ports, case: Case
) -> None:
    """Half of the clients stay for a while, so that some are connected in the moment of the fault."""
    names = usable(tuple(case.says))
    with forwards(
        kfw, shared, namespace, dict(zip(names, ports(len(names)), strict=True)), stays=True
    ) as seen:
        assert until(lambda: all(answered(seen[name]) > 40 for name in names), 10)
        began = time.monotonic()
        with case.happens(kfw, shared, namespace, names):
            time.sleep(FAULT)
            ended = time.monotonic()
        again = {name: active_again(seen[name], ended) for name in names}
        assert until(lambda: all(answered(seen[name], again[name]) for name in names), 5), again
    for name in names if not case.untold else ():
        told_the_truth(seen[name], name, case.says[name], began, again[name] - ended)
    for name in names if not case.uncounted else ():
        counted(kfw, seen[name], name, some=(name, case.fault) != ("socat", killed_child))


def active_again(seen: Load, since: float) -> float:
    """When it was, by time.monotonic()."""
    assert until(lambda: seen.seen[-1][0] > since and seen.seen[-1][1]["status"] == "active", 15), seen.seen[
        -1
    ]
    return next(at for at, row in seen.seen if at > since and row["status"] == "active")


def told_the_truth(seen: Load, name: str, says: str, began: float, seconds: float) -> None:
    assert seen.longest_untrue(began + 0.1) < AT_MOST, (name, seen.statuses(began))
    assert not says or any(says in message for message in seen.messages(began)), (name, seen.messages(began))
    assert seconds < 10, (name, seen.statuses(began))


def counted(kfw: Program, seen: Load, name: str, *, some: bool) -> None:
    """`some`: there must be losses. What a killed socat has forked goes on."""
    lost = seen.lost()
    assert lost > 0 or not some, (name, seen.hows())
    assert until(lambda: kfw.status(name)["connections"] == 0, 5), name
    assert kfw.status(name)["lostConnections"] == pytest.approx(lost, abs=1 + lost // 20), (name, seen.hows())


# -- what is not a fault

EACH = ("kubectl", "socat", "tunnel", "nodeport")


def test_an_app_that_is_slow_by_itself_stays_active(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    names = usable(EACH)
    given = dict(zip(names, ports(len(names)), strict=True))
    with forwards(kfw, shared, namespace, given, per_second=5, says=SLOW) as seen:
        assert until(lambda: all(answered(seen[name]) > 10 for name in names), 20)
    for name in names:
        assert seen[name].statuses() == ["active"], (name, seen[name].messages())
        assert set(seen[name].hows()) == {"answered"}, name
        assert kfw.status(name)["lostConnections"] == 0, name


def test_an_app_that_takes_and_never_answers_stays_active_and_loses_nothing(
    kfw: Program, shared: Place, namespace: str, ports: Ports
) -> None:
    """What a client sends to kfw/digest is answered when it has ended its side, which it never does here."""
    names = usable(EACH)
    given = dict(zip(names, ports(len(names)), strict=True))
    with forwards(kfw, shared, namespace, given, image="kfw/digest", per_second=5) as seen:
        time.sleep(5)
    for name in names:
        assert seen[name].statuses() == ["active"], (name, seen[name].messages())
        assert kfw.status(name)["lostConnections"] == 0, name
