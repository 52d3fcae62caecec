"""Swagger UI in Chromium, before a REST API without CORS: it finds the description, and "Execute" reaches the API."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from kfw.extras.forward_uis import UiSubject
from kfw.extras.swagger_ui.swagger_page import LIMITS, SwaggerSite
from kfw.http.server import HttpServer
from kfw.model import Forward
from kfw.system.local_ports import bind
from tests.extras.rest_server import SPECS, RestServer
from tests.fakes import forward
from tests.loop_thread import loop_thread
from tests.web.browser import REBOUND, tab


@contextmanager
def served(api: RestServer, **fields: str) -> Iterator[str]:
    """The page's URL, with the API behind it."""
    entry: Forward = forward("things", type="rest", **fields)

    async def start() -> tuple[int, list[HttpServer]]:
        behind, ahead = bind(("127.0.0.1",), 0), bind(("127.0.0.1",), 0)
        site = SwaggerSite(UiSubject(entry, "things", "127.0.0.1", behind[1]), ahead[1])
        servers = [HttpServer(api.answer, name="api"), HttpServer(site.answer, name="page", limits=LIMITS)]
        for server, (sockets, _) in zip(servers, (behind, ahead), strict=True):
            server.listen(sockets[0])
        return ahead[1], servers

    with loop_thread("swagger") as beside:
        port, servers = beside.run(start())
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            for server in servers:
                beside.run(server.close(0))


def execute(page: Page, operation: str) -> None:
    block = page.locator(f"[id$='-{operation}']")
    block.locator(".opblock-summary").click()
    block.get_by_role("button", name="Try it out").click()
    for field in block.locator(".parameters input").all():
        field.fill("seven")
    block.get_by_role("button", name="Execute").click()


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("kind", SPECS)
def test_A20_execute_reaches_an_api_without_cors_whatever_host_its_description_names(
    ada: BrowserContext, kind: str, form: str
) -> None:
    api = RestServer(kind, form)
    with served(api, api_path="api/v1", swagger_path="docs/swagger") as url:
        page = tab(ada, url)
        expect(page.locator(".info .title")).to_contain_text("Things of a test")
        execute(page, "thing")
        live = page.locator(".live-responses-table .response .response-col_description").first
        expect(live).to_contain_text("seven")
        asked = api.asked[-1]
        assert (asked.method, asked.path) == ("GET", "/api/v1/things/seven")
        assert asked.headers["host"].startswith("localhost:")


def test_what_acts_says_the_origin_of_the_api_itself(ada: BrowserContext) -> None:
    api = RestServer()
    with served(api, api_path="api/v1", swagger_path="docs/swagger") as url:
        page = tab(ada, url)
        execute(page, "make")
        expect(page.locator(".live-responses-table")).to_contain_text("made")
        asked = api.asked[-1]
        assert asked.headers["origin"] == f"http://{asked.headers['host']}"
        assert "referer" not in asked.headers


@pytest.mark.parametrize(
    "path", ["/openapi.yaml", "/v3/api-docs", "/api/v1/swagger.json", "/api/v1/docs/swagger/doc.json"]
)
def test_a_description_at_a_usual_place_is_found(ada: BrowserContext, path: str) -> None:
    api = RestServer(path=path, form="yaml" if path.endswith("yaml") else "json")
    with served(api, api_path="api/v1", swagger_path="docs/swagger") as url:
        expect(tab(ada, url).locator(".info .title")).to_contain_text("Things of a test")


def test_where_there_is_no_description_the_page_says_what_it_tried(ada: BrowserContext) -> None:
    with served(RestServer(path="/elsewhere"), api_path="v9") as url:
        page = tab(ada, url)
        expect(page.locator("#where")).to_contain_text("does not describe itself")
        expect(page.locator("header li").first).to_have_text("/v9/openapi.json: 404")


def test_the_page_runs_under_its_policy_and_asks_nobody_else(ada: BrowserContext) -> None:
    """Nothing is blocked by the Content-Security-Policy, and nothing is asked of other hosts: no validator's badge."""
    with served(RestServer(), api_path="api/v1", swagger_path="docs/swagger") as url:
        page = ada.new_page()
        said: list[str] = []
        hosts: set[str] = set()
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.goto(url)
        execute(page, "thing")
        expect(page.locator(".live-responses-table")).to_contain_text("seven")
        assert [text for text in said if "Content Security Policy" in text] == []
        assert [host for host in hosts if host and host not in url] == []


def test_a_name_that_is_made_to_point_here_gets_nothing(ada: BrowserContext) -> None:
    api = RestServer()
    with served(api, api_path="api/v1") as url:
        port = url.rstrip("/").rpartition(":")[2]
        page = ada.new_page()
        for path in ("/", "/kfw/", "/api/v1/things/7"):
            answer = page.goto(f"http://{REBOUND}:{port}{path}")
            assert answer
            assert answer.status == 421
        assert api.asked == []


def test_a_page_of_another_site_cannot_read_through_it(ada: BrowserContext) -> None:
    api = RestServer()
    with served(api, api_path="api/v1") as url, served(RestServer()) as other:
        page = tab(ada, f"{other.replace('127.0.0.1', 'localhost')}kfw/")
        said = page.evaluate(
            "(url) => fetch(url + 'api/v1/things/7', {mode: 'no-cors'}).then((a) => a.type, () => 'failed')",
            url,
        )
        assert said in ("opaque", "failed")
        assert api.asked == []
