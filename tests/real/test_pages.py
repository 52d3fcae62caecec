"""The pages of forwards to the rig: its REST API without CORS and its gRPC server with reflection, in Chromium."""

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.real.running import until
from tests.web.browser import chromium, somebody, tab
from tests.whole.program import Entry, Program


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def ada(browser: Browser) -> Iterator[BrowserContext]:
    with somebody(browser) as who:
        yield who


@pytest.fixture
def page_of(cli: Program, ada: BrowserContext, free_port: int) -> Callable[[Entry], Page]:
    """The page in the browser of a forward with this entry."""

    def opened(entry: Entry) -> Page:
        cli.up({"one": {"namespace": "demo", "localPort": free_port, **entry}})
        url = until(lambda: (cli.status("one").get("ui") or {}).get("url"), 30, cli.log)
        return tab(ada, url)

    return opened


@pytest.mark.parametrize("method", ["nodeport", "tunnel"])
@pytest.mark.parametrize("path", ["openapi.json", "swagger"])
def test_A20_swagger_ui_executes_a_request_of_an_api_without_cors(
    page_of: Callable[[Entry], Page], path: str, method: str
) -> None:
    page = page_of({"target": "service/web", "type": "rest", "swaggerPath": path, "method": method})
    block = page.locator("[id$='-get_bytes']")
    block.locator(".opblock-summary").click()
    block.get_by_role("button", name="Try it out").click()
    block.locator(".parameters input").fill("7")
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status").first).to_contain_text("200")
    expect(answer).to_contain_text("content-length: 7")


def call(page: Page, method: str, message: object) -> None:
    page.get_by_role("button", name=method, exact=True).click()
    expect(page.locator("#method")).to_have_text(f"demo.Greeter/{method}")
    page.locator("#message").fill(json.dumps(message))
    page.locator("#send").click()


def test_A19_the_page_for_grpc_makes_a_call_and_shows_a_stream(page_of: Callable[[Entry], Page]) -> None:
    page = page_of({"target": "service/grpc", "type": "rpc", "ui": "own"})
    call(page, "Hello", "Ada")
    expect(page.locator("#status")).to_have_text("OK")
    expect(page.locator("#answers pre")).to_contain_text("hello Ada from grpc-")
    call(page, "Count", 4)
    expect(page.locator("#status")).to_have_text("OK (4 messages)")
    assert [json.loads(text) for text in page.locator("#answers pre").all_inner_texts()] == [
        "0",
        "1",
        "2",
        "3",
    ]
