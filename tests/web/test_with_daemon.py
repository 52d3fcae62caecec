"""The page in Chromium, in front of the daemon and the sandbox: what people do with it, by keyboard where they can."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from unittest.mock import patch

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from kfw.sandbox.manifests import deployment, namespace, pod, service
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.objects import Object
from tests.real import talk
from tests.web.browser import rows, tab
from tests.whole.place import Place, place
from tests.whole.program import Program

pytestmark = pytest.mark.sandbox

SHOP = (
    namespace("shop"),
    deployment("shop", "web", ports={"http": 8080, "metrics": 9100}, replicas=2),
    service("shop", "web", service_port(80, "http"), service_port(9100, "metrics")),
    pod("shop", "alone", ports={}),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("shop"), *SHOP) as here:
        yield here


@pytest.fixture(scope="module")
def program(shop: Place) -> Iterator[Program]:
    one = Program(shop.kubeconfig)
    try:
        one("web", "--print", "--port", "0")
        yield one
    finally:
        one.close()


@pytest.fixture
def kfw(program: Program) -> Iterator[Program]:
    yield program
    if names := program.rows():
        program("remove", *names)


@pytest.fixture
def port() -> int:
    return talk.free_ports(1)[0]


def link(kfw: Program) -> str:
    return kfw("web", "--print").stdout.strip()


def fill_in(page: Page, kind: str, name: str) -> None:
    """By keys alone, from the first field on."""
    expect(page.locator("#add-cluster")).to_be_focused()
    expect(page.locator("#add-namespace")).to_have_value("default")
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("shop")
    page.keyboard.press("Tab")
    page.keyboard.type(kind)
    page.keyboard.press("Tab")
    page.keyboard.type(name)


def test_A36_L10_by_keyboard_alone_a_forward_is_added_stopped_started_and_removed(
    ada: BrowserContext, kfw: Program, port: int
) -> None:
    page = tab(ada, link(kfw))
    expect(page.get_by_role("heading", name="No active port forwards")).to_be_visible()
    page.keyboard.press("n")
    fill_in(page, "service", "web")
    expect(page.locator("#add-found")).to_have_text("2 of 2 pods ready")
    expect(page.get_by_role("radio")).to_have_count(2)
    expect(page.locator("#add-local")).to_have_value("8080")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#add-local")).to_have_value("9100")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.type(str(port))  # Tab has selected what was there
    expect(page.locator("#add-hint")).to_have_text(f"Forwards localhost:{port} to service:80")
    page.keyboard.press("Enter")
    expect(page.locator("#add-dialog")).to_be_hidden()
    expect(page.locator(".name")).to_be_focused()
    expect(page.locator(".row")).to_have_attribute("data-status", "active")
    assert rows(page) == {"web": "active"}
    assert talk.pod_behind(port).startswith("web-")
    page.keyboard.press("Enter")
    expect(page.locator(".facts")).to_contain_text("Method")
    expect(page.locator(".facts")).to_contain_text("Wanted")
    expect(page.locator(".log")).to_contain_text("web: active")
    page.keyboard.press("s")
    expect(page.locator(".row")).to_have_attribute("data-status", "stopped")
    page.keyboard.press("s")
    expect(page.locator(".row")).to_have_attribute("data-status", "active")
    page.keyboard.press("s")
    expect(page.locator(".row")).to_have_attribute("data-status", "stopped")
    page.keyboard.press("x")
    expect(page.locator(".row")).to_have_count(0)
    assert kfw.rows() == {}


def test_A36_ports_that_are_none_cannot_be_started_and_a_busy_one_is_named(
    ada: BrowserContext, kfw: Program, port: int
) -> None:
    page = tab(ada, link(kfw))
    page.locator("#add").click()
    fill_in(page, "pod", "alone")
    expect(page.locator("#add-choices")).to_contain_text("It declares no port; type one.")
    page.get_by_label("Port of the target").fill("443")
    expect(page.locator("#add-local")).to_have_value("8443")
    start = page.locator("#add-start")
    expect(start).to_be_enabled()
    for wrong in ("0", "65536", "80a", "", "-1"):
        page.locator("#add-local").fill(wrong)
        expect(start).to_be_disabled()
    with closing(socket.create_server(("127.0.0.1", port))):
        page.locator("#add-local").fill(str(port))
        expect(page.locator("#add-busy-text")).to_contain_text(f"{port} is busy: ")
        expect(page.locator("#add-busy-text")).to_contain_text("(pid ")
        page.locator("#add-nearby").click()
        expect(page.locator("#add-local")).not_to_have_value(str(port))
        expect(page.locator("#add-busy")).to_be_hidden()
        page.locator("#add-local").fill(str(port))
        start.click()
        expect(page.locator("#add-error")).to_contain_text(f"cannot listen on {port}")
    expect(page.locator("#add-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#add-dialog")).to_be_hidden()
    assert kfw.rows() == {}


def offered(page: Page, kind: str) -> list[str]:
    """Names, once the cluster has been asked."""
    expect(page.locator("#add-found")).not_to_have_text("Looking for targets…")
    page.locator("#add-kind").select_option(kind)
    return offered_now(page)


def offered_now(page: Page) -> list[str]:
    names: list[str] = page.locator("#target-names option").evaluate_all(
        "(options) => options.map((option) => option.value)"
    )
    return names


def test_L11_targets_are_offered_by_their_kinds_and_one_without_a_tcp_port_says_so(
    ada: BrowserContext, kfw: Program, shop: Place
) -> None:
    dns: Object = {**service_port(53, "dns"), "protocol": "UDP"}
    shop.apply(service("shop", "dns", dns, selector={"app": "web"}))
    page = tab(ada, link(kfw))
    page.locator("#add-first").click()
    fill_in(page, "service", "dns")
    assert page.locator("#add-kind option").all_text_contents() == [
        "service", "deployment", "statefulset", "daemonset", "pod",
    ]  # fmt: skip
    expect(page.locator("#add-choices")).to_contain_text("It declares no TCP port, only 53/UDP; type one.")
    expect(page.locator("#add-start")).to_be_disabled()
    assert {"dns", "web"} <= set(offered(page, "service"))
    assert offered(page, "deployment") == ["web"]
    assert "alone" in offered(page, "pod")
    assert offered(page, "statefulset") == []


def test_while_it_looks_for_targets_none_of_the_namespace_before_is_offered(
    ada: BrowserContext, kfw: Program, shop: Place
) -> None:
    page = tab(ada, link(kfw))
    page.locator("#add-first").click()
    expect(page.locator("#add-found")).to_have_text("1 service here")
    held: list[Route] = []
    page.route("**/targets", lambda route: held.append(route))
    fill_in(page, "service", "we")
    expect(page.locator("#add-found")).to_have_text("Looking for targets…")
    assert offered_now(page) == []
    for route in held:
        route.continue_()
    expect(page.locator("#add-found")).not_to_have_text("Looking for targets…")
    assert "web" in offered_now(page)


def test_L11_who_may_not_forward_to_pods_is_offered_services_only_and_told_why(
    ada: BrowserContext, kfw: Program, shop: Place
) -> None:
    looker = shop.do(lambda sandbox: sandbox.add_user("looker", "shop", verbs=["get", "list", "watch"]))
    try:
        with patch.dict(kfw.env, KUBECONFIG=str(looker)):
            page = tab(ada, link(kfw))
        page.locator("#add-first").click()
        expect(page.locator("#add-namespace")).to_have_value("shop")
        expect(page.locator("#add-found")).to_have_text("You may not forward to pods in this namespace.")
        assert offered(page, "deployment") == offered(page, "pod") == []
        assert "web" in offered(page, "service")
    finally:
        link(kfw)  # the page has the kubeconfig of who ran `kfw web` last


def test_A35_L14_in_two_tabs_a_cluster_is_closed_after_a_question(ada: BrowserContext, kfw: Program) -> None:
    kfw("add", "svc/web", ":80", "-n", "shop")
    kfw("add", "more", "deploy/web", ":8080", "-n", "shop")
    one, two = tab(ada, link(kfw)), tab(ada, link(kfw))
    for page in (one, two):
        expect(page.locator('.row[data-status="active"]')).to_have_count(2)
    two.get_by_role("button", name="Close cluster").click()
    expect(two.locator("#close-text")).to_contain_text("has 2 active port forwards. Stop them and close?")
    expect(two.locator("#close-cancel")).to_be_focused()
    two.keyboard.press("Enter")
    expect(two.locator("#close-dialog")).to_be_hidden()
    assert len(kfw.rows()) == 2
    two.get_by_role("button", name="Close cluster").click()
    two.get_by_role("button", name="Stop & Close").click()
    for page in (one, two):
        expect(page.get_by_role("heading", name="No active port forwards")).to_be_visible()
    assert kfw.rows() == {}


def test_LB2_a_forward_in_error_stays_until_it_is_retried_or_removed(
    ada: BrowserContext, kfw: Program, shop: Place, port: int
) -> None:
    kfw("add", "late", "svc/late", f"{port}:80", "-n", "shop", "--no-wait")
    page = tab(ada, link(kfw))
    expect(page.locator(".row")).to_have_attribute("data-status", "error")
    expect(page.locator(".note")).to_contain_text('services "late" not found')
    expect(page.get_by_role("button", name="Remove late")).to_be_visible()
    shop.apply(service("shop", "late", service_port(80, "http"), selector={"app": "web"}))
    if kfw.status("late")["status"] == "error":
        page.get_by_role("button", name="Retry late").click()
    expect(page.locator(".row")).to_have_attribute("data-status", "active")


def test_over_a_handover_the_page_comes_back_by_itself_and_asks_nobody_to_log_in(
    ada: BrowserContext, shop: Place
) -> None:
    kfw = Program(shop.kubeconfig)
    try:
        kfw("add", "svc/web", ":80", "-n", "shop")
        kfw("add", "more", "deploy/web", ":8080", "-n", "shop")
        page = tab(ada, kfw("web", "--print", "--port", "0").stdout.strip())
        expect(page.locator('.row[data-status="active"]')).to_have_count(2)
        page.evaluate(WATCHED)
        for name in ("more", "web"):
            before = kfw.daemon_pid()
            expect(page.locator("#daemon")).to_have_text(re.compile(rf" pid {before}$"))
            shown = rows(page)
            kfw("restart", "--daemon")
            came = page.evaluate("performance.now()")
            expect(page.locator("#daemon")).to_have_text(re.compile(rf" pid {kfw.daemon_pid()}$"))
            print(f"  the page was back {page.evaluate('performance.now()') - came:.0f} ms after the command")
            assert rows(page) == shown
            page.get_by_role("button", name=f"Stop {name}").click()
            page.get_by_role("button", name=f"Start {name}").click()
            expect(page.get_by_role("button", name=f"Stop {name}")).to_be_visible()
            expect(page.locator('.row[data-status="active"]')).to_have_count(2)
        assert page.evaluate("window.states") == ["live"]
    finally:
        kfw.close()


#: Which states the page has had: live, offline, gate.
WATCHED = """() => {
  const body = document.body;
  window.states = [body.dataset.state];
  const look = () => window.states.at(-1) === body.dataset.state || window.states.push(body.dataset.state);
  new MutationObserver(look).observe(body, { attributes: true });
}"""


def test_a_restart_of_the_daemon_is_told_and_the_page_comes_back_by_itself(
    ada: BrowserContext, shop: Place, port: int
) -> None:
    kfw = Program(shop.kubeconfig)
    try:
        kfw("add", "svc/web", ":80", "-n", "shop")
        page = tab(ada, kfw("web", "--print", "--port", str(port)).stdout.strip())
        expect(page.locator(".row")).to_have_count(1)
        kfw("stop")
        expect(page.locator("#offline")).to_contain_text(f"kfw web --port {port}")
        expect(page.locator(".row")).to_have_count(1)
        again = kfw("web", "--print", "--port", str(port)).stdout.strip()
        expect(page.get_by_role("heading", name="This browser is not logged in")).to_be_visible()
        tab(ada, again)
        expect(page.locator('.row[data-status="active"]')).to_have_count(1)
        expect(page.locator("#offline")).to_be_hidden()
        kfw("web", "--stop")
        expect(page.locator("#offline")).to_be_visible()
    finally:
        kfw.close()
