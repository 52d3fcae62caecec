"""kfw's own page for gRPC in Chromium, before a real server with reflection."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from kfw.extras.grpc_ui.page_orders import PageOrder, PageOrders
from kfw.system.local_ports import bind
from tests.extras.grpc_server import Cart, cart_server, descriptor_set
from tests.real.running import until
from tests.web.browser import REBOUND, tab


@contextmanager
def served(target: int, *proto_files: str) -> Iterator[str]:
    """The page's URL."""
    sockets, port = bind(("127.0.0.1",), 0)
    sockets[0].close()
    order = PageOrder(port=port, name="cart", target=f"127.0.0.1:{target}", proto_files=proto_files)
    command = [sys.executable, "-m", "kfw.extras.grpc_ui.page_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        assert child.stdin
        child.stdin.write(msgspec.json.encode(PageOrders([order])) + b"\n")
        child.stdin.flush()
        until(lambda: _answers(port), 30, lambda: f"the page answers, its process has {child.poll()}")
        yield f"http://127.0.0.1:{port}/"
        child.stdin.close()
        assert child.wait(30) == 0


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, Cart]]:
    with cart_server() as one:
        yield one


@pytest.fixture(scope="module")
def url(server: tuple[int, Cart]) -> Iterator[str]:
    with served(server[0]) as one:
        yield one


def choose(page: Page, method: str) -> None:
    page.get_by_role("button", name=method, exact=True).click()
    expect(page.locator("#method")).to_have_text(f"test.shop.Cart/{method}")


def fill(page: Page, message: object) -> None:
    page.locator("#message").fill(json.dumps(message))


def send(page: Page) -> None:
    page.locator("#send").click()


def test_a_call_is_filled_in_from_the_descriptor_sent_with_metadata_and_answered(
    ada: BrowserContext, url: str
) -> None:
    page = tab(ada, url)
    choose(page, "Add")
    expect(page.locator("#kind")).to_have_text("test.shop.Item → test.shop.Total")
    message = json.loads(page.locator("#message").input_value())
    assert message["count"] == "0"
    fill(page, message | {"name": "bread", "count": "3"})
    page.locator("#metadata").fill("X-User: ada")
    send(page)
    expect(page.locator("#status")).to_have_text("OK")
    assert json.loads(page.locator("#answers pre").inner_text()) == {"items": 3, "note": "bread for ada"}
    expect(page.locator("#headers pre")).to_contain_text("x-answer: 42")


def test_what_a_template_says_comes_back_as_it_was_sent(ada: BrowserContext, url: str) -> None:
    page = tab(ada, url)
    choose(page, "Echo")
    sent = json.loads(page.locator("#message").input_value()) | {
        "createdAt": "2026-11-21T07:00:00Z",
        "kind": "TOOL",
        "labels": {"a": "b"},
        "picture": "a2Z3",
        "parts": [{"name": "nail"}],
    }
    fill(page, sent)
    send(page)
    expect(page.locator("#status")).to_have_text("OK")
    got = json.loads(page.locator("#answers pre").inner_text())
    assert {key: got[key] for key in ("createdAt", "kind", "labels", "picture")} == {
        key: sent[key] for key in ("createdAt", "kind", "labels", "picture")
    }
    assert got["parts"][0]["name"] == "nail"


def test_a_stream_is_shown_as_it_comes_and_ends(ada: BrowserContext, url: str) -> None:
    page = tab(ada, url)
    choose(page, "Watch")
    fill(page, {"items": 5})
    send(page)
    expect(page.locator("#status")).to_have_text("OK (5 messages)")
    expect(page.locator("#answers li")).to_have_count(5)
    expect(page.locator("#answers li").last).to_contain_text("item 5")


def test_a_stream_without_end_is_cancelled_and_its_server_hears_of_it(
    ada: BrowserContext, url: str, server: tuple[int, Cart]
) -> None:
    page = tab(ada, url)
    choose(page, "Watch")
    fill(page, {})
    while server[1].stopped.acquire(blocking=False):
        pass
    send(page)
    expect(page.locator("#answers li").nth(3)).to_be_visible()
    page.locator("#cancel").click()
    expect(page.locator("#status")).to_have_text("Cancelled")
    assert server[1].stopped.acquire(timeout=30)


def test_a_client_that_streams_sends_a_list(ada: BrowserContext, url: str) -> None:
    page = tab(ada, url)
    choose(page, "Sum")
    fill(page, [{"count": 1}, {"count": "2"}, {"count": 3}])
    send(page)
    expect(page.locator("#answers pre")).to_contain_text('"items": 6')
    fill(page, {"count": 1})
    send(page)
    expect(page.locator("#status")).to_contain_text("takes a list of messages")


def test_an_error_is_its_status_with_the_servers_words_and_trailers(ada: BrowserContext, url: str) -> None:
    page = tab(ada, url)
    choose(page, "Refuse")
    fill(page, {"name": "bread"})
    send(page)
    expect(page.locator("#status")).to_have_text("INVALID_ARGUMENT: there is no bread")
    expect(page.locator("#headers pre")).to_contain_text("trailer x-why: test")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "The request is not JSON"),
        ('{"colour": 1}', "this is not a test.shop.Item"),
        ('{"count": "many"}', "this is not a test.shop.Item"),
        ("7", "this is not a test.shop.Item"),
    ],
)
def test_what_is_no_such_message_is_told_and_not_sent(
    ada: BrowserContext, url: str, text: str, said: str
) -> None:
    page = tab(ada, url)
    choose(page, "Add")
    page.locator("#message").fill(text)
    send(page)
    expect(page.locator("#status")).to_contain_text(said)
    expect(page.locator("#answers li")).to_have_count(0)


@pytest.mark.parametrize("line", ["grpc-timeout: 1S", "no name", ": x", "x-bin: %%", "x: ü"])
def test_metadata_that_cannot_be_sent_is_told(ada: BrowserContext, url: str, line: str) -> None:
    page = tab(ada, url)
    choose(page, "Add")
    page.locator("#metadata").fill(line)
    send(page)
    expect(page.locator("#status")).to_have_attribute("data-ok", "no")
    expect(page.locator("#answers li")).to_have_count(0)


def test_without_reflection_the_page_says_so_and_files_of_the_config_stand_in(
    ada: BrowserContext, tmp_path: Path
) -> None:
    file = tmp_path / "cart.binpb"
    file.write_bytes(descriptor_set())
    with cart_server(with_reflection=False) as (port, _):
        with served(port) as url:
            expect(tab(ada, url).locator("#problem")).to_contain_text("the server has no reflection")
        with served(port, str(file)) as url:
            page = tab(ada, url)
            choose(page, "Add")
            fill(page, {"name": "bread"})
            send(page)
            expect(page.locator("#status")).to_have_text("OK")


def test_a_server_that_is_gone_and_back_answers_after_load_again(ada: BrowserContext) -> None:
    sockets, port = bind(("127.0.0.1",), 0)
    sockets[0].close()
    with served(port) as url:
        page = tab(ada, url)
        expect(page.locator("#problem")).to_contain_text("UNAVAILABLE")
        with cart_server(port=port):
            page.locator("#again").click()
            expect(page.locator("nav button").first).to_be_visible()


def test_text_of_a_server_is_text_and_the_page_obeys_its_policy(ada: BrowserContext, url: str) -> None:
    page = ada.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(url)
    choose(page, "Echo")
    fill(page, {"name": "<img src=x onerror=\"document.title='run'\">"})
    send(page)
    expect(page.locator("#status")).to_have_text("OK")
    assert page.locator("#answers img").count() == 0
    assert page.title() != "run"
    assert [text for text in said if "Content Security Policy" in text] == []


def test_a_name_that_is_made_to_point_here_gets_nothing(ada: BrowserContext, url: str) -> None:
    port = url.rstrip("/").rpartition(":")[2]
    page = ada.new_page()
    for path in ("/", "/api/services"):
        answer = page.goto(f"http://{REBOUND}:{port}{path}")
        assert answer
        assert answer.status == 421
