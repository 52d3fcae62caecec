"""The dialog for a new forward: what it offers, what it refuses while it is typed, and what it asks of the daemon."""

from pathlib import Path

import pytest

from kfw.tui.add_dialog import offer
from kfw.tui.caller import Offers
from tests.client.fake_daemon import row
from tests.commands.project import kubeconfig
from tests.tui.live_daemon import LiveDaemon
from tests.tui.screens import window


@pytest.fixture(autouse=True)
def kubeconfig_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the contexts kind-dev and prod, whose clusters nobody can reach."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, "kind-dev", "prod")))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("target", "port", "said"),
    [
        ("svc/api", "80", "api: 80 of service/api on localhost:8080"),
        ("svc/api", "8443", "api: 8443 of service/api on localhost:8443"),
        ("svc/api", "", "api: its port of service/api, on the same local port or nearby"),
        ("svc/api", ":80", "api: 80 of service/api on a free port"),
        ("svc/api", "0", "'0' is not a port"),
        ("svc/api", "65536:80", "'65536' is not a port"),
        ("svc/api", "5432:80", "cannot listen on 5432: the forward 'db' has it"),
        ("api", "80", "'api' does not say what to forward to"),
        ("cm/api", "80", "'cm' cannot be forwarded to"),
    ],
)
async def test_A36_it_says_what_will_come_of_it_or_what_is_wrong(
    daemon: LiveDaemon, target: str, port: str, said: str
) -> None:
    daemon.forwards = [row("db", localPort=5432)]
    async with window() as shown:
        await shown.wait_for("● active")
        await shown.press("a", *target, "tab", *port)
        await shown.wait_for(said)


@pytest.mark.asyncio
async def test_what_is_filled_in_is_asked_of_the_daemon_with_the_context_pinned(daemon: LiveDaemon) -> None:
    async with window() as shown:
        await shown.wait_for("nothing is forwarded")
        await shown.press(
            "a", *"svc/api", "tab", *"9080:http", "tab", *"web", "tab", *"shop", "tab", *"prod", "enter"
        )
        await shown.until(lambda: "POST /v1/up" in daemon.requests(), "not asked")
        (forward,) = daemon.body_of("POST /v1/up")["forwards"]
        assert {key: forward[key] for key in ("name", "local_port", "target_port", "namespace", "context")} == {
            "name": "web", "local_port": 9080, "target_port": "http", "namespace": "shop", "context": "prod",
        }  # fmt: skip
        await shown.wait_for("added: web")


PLACE = Offers(
    "shop", {"service/api": ["80 (http)", "9090"], "service/db": ["5432"], "deployment/api": [], "pod/x": []}
)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("svc/api", "service/api has: 80 (http), 9090"),
        ("service/api", "service/api has: 80 (http), 9090"),
        ("deploy/api", "deployment/api has: no ports that it names"),
        ("", "in shop: service/api, service/db, deployment/api, pod/x"),
        ("svc/ap", "in shop: service/api, deployment/api"),
        ("svc/qqq", "in shop: nothing like it"),
    ],
)
def test_the_ports_of_the_target_are_offered_or_the_targets_that_are_alike(typed: str, said: str) -> None:
    assert offer(PLACE, typed) == said


def test_L11_who_may_not_forward_to_pods_is_told_beside_what_is_offered() -> None:
    place = Offers("shop", {"service/api": ["80"]}, into_pods=False)
    assert offer(place, "") == "in shop: service/api; you may not forward to pods there"
    assert offer(place, "svc/api") == "service/api has: 80; you may not forward to pods there"


def test_where_nothing_is_known_nothing_is_offered() -> None:
    assert offer(None, "svc/api") == ""
