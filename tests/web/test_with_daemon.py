"""The page in Chromium, in front of the daemon and the sandbox: what people do with it, by keyboard where they can."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from kfw.sandbox.manifests import deployment, namespace, pod, service
from kfw.sandbox.manifests import port as service_port
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
    expect(page.locator("#add-choices")).to_contain_text("It declares no port, type one.")
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
