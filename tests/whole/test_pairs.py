"""Faults in pairs: pods go while what kfw asks by is away. When both are back, so is the forward, without a hand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.sandbox import Sandbox
from tests.real import talk
from tests.real.running import until
from tests.sandbox.kubectl import needs_kubectl
from tests.whole.conftest import Make
from tests.whole.place import Place

pytestmark = needs_kubectl

#: Seconds from the end of both faults to a connection that works.
SOON = 15.0
USER = "ada"


def _token(sandbox: Sandbox) -> str:
    return next(token for token, user in sandbox.users.by_token.items() if user.name == USER)


@contextmanager
def the_login(place: Place, file: Path) -> Iterator[None]:
    token = place.do(_token)
    user = place.do(lambda sandbox: sandbox.users.by_token.pop(token))
    yield
    place.do(lambda sandbox: sandbox.users.by_token.update({token: user}))


@contextmanager
def the_rights(place: Place, file: Path) -> Iterator[None]:
    token = place.do(_token)
    user = place.do(lambda sandbox: sandbox.users.by_token[token])
    place.do(lambda sandbox: sandbox.users.by_token.update({token: replace(user, verbs=frozenset())}))
    yield
    place.do(lambda sandbox: sandbox.users.by_token.update({token: user}))


@contextmanager
def the_kubeconfig(place: Place, file: Path) -> Iterator[None]:
    away = file.with_suffix(".away")
    file.rename(away)
    yield
    away.rename(file)


@contextmanager
def half_the_kubeconfig(place: Place, file: Path) -> Iterator[None]:
    text = file.read_text()
    file.write_text(text[: len(text) // 2])
    yield
    file.write_text(text)


@contextmanager
def the_api(place: Place, file: Path) -> Iterator[None]:
    place.stop_api()
    yield
    place.start_api()


AWAY = (the_login, the_rights, the_kubeconfig, half_the_kubeconfig, the_api)


@pytest.mark.parametrize("method", ["tunnel", "kubectl"])
@pytest.mark.parametrize("away", AWAY, ids=lambda away: away.__name__)
def test_SM_4_pods_go_while_it_is_away_and_the_forward_comes_back_by_itself(
    own: Place, make_kfw: Make, port: int, away: Callable[[Place, Path], Iterator[None]], method: str
) -> None:
    own.apply(
        deployment("default", "web", ports={"http": 8080}),
        service("default", "web", service_port(80, "http")),
    )
    file = own.user(USER, "default")
    kfw = make_kfw(file)
    kfw.up({"web": {"target": "service/web", "localPort": port, "method": method}})
    assert talk.pod_behind(port).startswith("web-")

    with away(own, file):  # type: ignore[attr-defined]
        [before] = own.pods("default", "web")
        own.do(lambda sandbox: sandbox.delete("pods", "default", before))
        until(lambda: before not in own.pods("default", "web"), 10, lambda: "the pod is gone")
        kfw("retry", "web", code=None)
        answered(port, within=1)

    until(lambda: answered(port, within=2), SOON, lambda: str(kfw.status("web")))
    until(lambda: kfw.status("web")["status"] == "active", SOON, lambda: str(kfw.status("web")))
    assert talk.pod_behind(port) != before


def answered(port: int, within: float) -> bool:
    try:
        return talk.pod_behind(port, timeout=within).startswith("web-")
    except OSError:
        return False
