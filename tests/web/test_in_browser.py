"""The page in Chromium, in front of a stub of the API: what many rows, odd words, gaps and other sites do to it."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, expect

from kfw.http.messages import Request, Response
from kfw.http.server import HttpServer
from kfw.system.local_ports import bind
from tests.loop_thread import loop_thread
from tests.web.browser import REBOUND, rows, somebody, tab
from tests.web.picture import PICTURE, SIZE, draw
from tests.web.stub_daemon import StubDaemon, forward

MARKUP = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>&amp;"


def test_A34_L12_L13_the_list_and_the_title_follow_each_change_and_nothing_old_comes_back(
    ada: BrowserContext,
) -> None:
    with StubDaemon(forward("api"), forward("db", "starting", localPort=5432)).serving() as daemon:
        page = tab(ada, daemon.link())
        expect(page).to_have_title("kfw – 2 forwards, 1 starting")
        daemon.say(forward("db", "active", localPort=5432))
        expect(page).to_have_title("kfw – 2 forwards, all active")
        daemon.say(forward("api", "stopped", epoch=2))
        expect(page.locator(".row", has_text="api")).to_have_attribute("data-status", "stopped")
        daemon.say(forward("api", "reconnecting", epoch=1))  # of the start before
        daemon.say(forward("db", "error", reason="unhealthy", message="it fell over"))
        expect(page.get_by_text("it fell over", exact=True)).to_be_visible()
        assert rows(page) == {"api": "stopped", "db": "error"}
        daemon.say(forward("db", "error"), "removed")
        expect(page.locator(".row")).to_have_count(1)
        assert daemon.listed == 1


@pytest.mark.parametrize("how", ["gap", "cut"])
def test_L8_after_anything_that_may_have_been_missed_the_list_is_read_again(
    ada: BrowserContext, how: str
) -> None:
    with StubDaemon(forward("api")).serving() as daemon:
        page = tab(ada, daemon.link())
        expect(page.locator(".row")).to_have_count(1)
        daemon.rows["new"] = forward("new")  # nobody is told
        if how == "gap":
            daemon.say(forward("api", "degraded"), missed=1)
        else:
            daemon.cut()
        expect(page.locator(".row")).to_have_count(2)
        assert daemon.listed == 2


def test_what_several_of_a_cluster_wait_for_is_said_once_above_them(ada: BrowserContext) -> None:
    away = {"reason": "cluster-unreachable", "message": "it does not answer"}
    rows = [forward(name, "suspended", **away) for name in ("api", "db")]
    serves = forward("node", message="it does not answer")
    with StubDaemon(*rows, serves, forward("other", message="a warning of its own")).serving() as daemon:
        page = tab(ada, daemon.link())
        outage = page.locator(".outage")
        expect(outage).to_contain_text("Cannot be reached for ")
        expect(outage).to_contain_text(", 2 forwards wait: it does not answer")
        expect(page.locator(".note:visible")).to_have_text(["a warning of its own"])
        daemon.say(forward("db"))
        expect(outage).to_be_hidden()
        expect(page.locator(".note:visible")).to_have_count(3)
        daemon.say(forward("db", "suspended", reason="login-failed", message="log in"))
        expect(page.get_by_text("log in", exact=True)).to_be_visible()


def test_text_from_a_cluster_is_text_whatever_it_says(ada: BrowserContext) -> None:
    odd = forward(
        MARKUP,
        "error",
        context=MARKUP,
        namespace=MARKUP,
        target=f"service/{MARKUP}",
        message=MARKUP,
        reason="unhealthy",
    )
    with StubDaemon(odd).serving() as daemon:
        daemon.clusters = [{"context": MARKUP, "namespace": MARKUP, "current": True}]
        page = tab(ada, daemon.link())
        expect(page.locator(".name")).to_have_text(MARKUP)
        expect(page.locator(".cluster h2")).to_have_text(MARKUP)
        expect(page.locator(".note")).to_have_text(MARKUP)
        page.get_by_role("button", name="Close cluster").click()
        expect(page.locator("#close-text")).to_contain_text(MARKUP)
        page.keyboard.press("Escape")
        page.locator("#add").click()
        expect(page.locator("#add-cluster option")).to_have_text(MARKUP)
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 1
        assert page.title() != "run"


def test_a_link_from_a_cluster_leads_to_http_only(ada: BrowserContext) -> None:
    with StubDaemon(forward("api", url="javascript:document.title='run'")).serving() as daemon:
        page = tab(ada, daemon.link())
        assert page.locator(".link").get_attribute("href") == "http://localhost:8080"


def test_a_thousand_rows_are_drawn_at_once_and_stay_live(ada: BrowserContext) -> None:
    many = [
        forward(f"f-{number}", localPort=10_000 + number, context=f"c-{number % 3}") for number in range(1000)
    ]
    with StubDaemon(*many).serving() as daemon:
        page = tab(ada, daemon.link())
        expect(page.locator(".row")).to_have_count(1000)
        page.evaluate(
            "window.frames_ = []; (function next(at) { requestAnimationFrame((now) =>"
            " { window.frames_.push(now - at); next(now); }); })(performance.now())"
        )
        node = page.locator(".row").last.element_handle()
        for number in range(20):
            daemon.say(forward(f"f-{number}", "error", reason="unhealthy", context=f"c-{number % 3}"))
        expect(page.locator('.row[data-status="error"]')).to_have_count(20)
        page.locator("#filter").fill("f-77")
        expect(page.locator(".row")).to_have_count(11)
        page.locator("#filter").fill("")
        expect(page.locator(".row")).to_have_count(1000)
        assert node
        assert daemon.listed == 1
        # The script's own time for a change among a thousand, not the machine's: half of what the browser drew was in time.
        spans = sorted(page.evaluate("window.frames_"))
        assert spans[len(spans) // 2] < 250


@pytest.mark.parametrize("width", [360, 700, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(browser: Browser, width: int, scheme: str) -> None:
    long = forward(
        "a-" * 30 + "z",
        "error",
        target="service/" + "b" * 63,
        namespace="c" * 63,
        message="d" * 300,
        context="e" * 90,
    )
    with StubDaemon(long, forward("api")).serving() as daemon, somebody(browser, width, 640, scheme) as who:
        page = tab(who, daemon.link())
        expect(page.locator(".row")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("#add").click()
        box = page.locator("#add-dialog").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_who_reads_the_screen_hears_what_it_shows(ada: BrowserContext) -> None:
    with StubDaemon(
        forward("api"), forward("db", "error", reason="unhealthy", message="it fell over")
    ).serving() as daemon:
        page = tab(ada, daemon.link())
        expect(page.locator(".row")).to_have_count(2)
        tree = page.locator("body").aria_snapshot()
        for heard in (
            'heading "kfw" [level=1]',
            "status: 2 forwards, 1 in error",
            'searchbox "Filter"',
            'combobox "Sort by"',
            'list "Forwards of kind-dev"',
            'button "Stop api"',
            'button "Retry db"',
            'button "Remove db"',
            'link "localhost:8080"',
            "it fell over",
        ):
            assert heard in tree, f"{heard} is not in\n{tree}"
        daemon.say(forward("api", "reconnecting", message="its pod has gone"))
        expect(page.locator("#announce")).to_have_text("api: reconnecting, its pod has gone")


def test_a_wrong_token_shows_what_to_do_and_nothing_else(ada: BrowserContext) -> None:
    with StubDaemon(forward("api")).serving() as daemon:
        page = tab(ada, daemon.link().partition("=")[0] + "=wrong")
        expect(page.get_by_role("heading", name="This link has been used, or is too old")).to_be_visible()
        expect(page.get_by_text(f"kfw web --port {daemon.port}")).to_be_visible()
        assert page.url == f"http://127.0.0.1:{daemon.port}/"
        assert daemon.listed == 0
        tab(ada, daemon.link())  # another tab of this browser logs in
        expect(page.locator(".row")).to_have_count(1)


def test_a_link_logs_one_browser_in_and_is_gone_from_its_address(
    browser: Browser, ada: BrowserContext
) -> None:
    with StubDaemon(forward("api")).serving() as daemon, somebody(browser) as eve:
        link = daemon.link()
        page = tab(ada, link)
        expect(page.locator(".row")).to_have_count(1)
        assert "token" not in page.url
        assert page.evaluate("document.cookie") == ""
        page.reload()
        expect(page.locator(".row")).to_have_count(1)
        page.goto("about:blank")
        page.goto(link)  # the link once more, where it is logged in
        expect(page.locator(".row")).to_have_count(1)
        expect(tab(eve, link).get_by_role("heading", name="This link has been used")).to_be_visible()


def test_a_name_that_points_here_gets_no_page(ada: BrowserContext) -> None:
    with StubDaemon(forward("api")).serving() as daemon:
        page = ada.new_page()
        answer = page.goto(f"http://{REBOUND}:{daemon.port}/")
        assert answer
        assert answer.status == 421
        assert "this page is only served at 127.0.0.1" in page.content()


@contextmanager
def another_site() -> Iterator[int]:
    """An app behind a forward, say: the same address, another port."""

    async def answer(_: Request) -> Response:
        return Response(200, b"<!doctype html><title>another</title>", "text/html")

    async def serve() -> tuple[HttpServer, int]:
        sockets, port = bind(("127.0.0.1",), 0)
        server = HttpServer(answer, name="another site")
        server.listen(sockets[0])
        return server, port

    with loop_thread("another site") as beside:
        server, port = beside.run(serve())
        try:
            yield port
        finally:
            beside.run(server.close(0))


def test_a_page_of_another_origin_can_neither_read_act_frame_nor_include(ada: BrowserContext) -> None:
    with StubDaemon(forward("api")).serving() as daemon, another_site() as port:
        page = tab(ada, daemon.link())
        expect(page.locator(".row")).to_have_count(1)
        place = page.evaluate("localStorage['kfw.path']")
        seen = daemon.listed
        foreign = tab(ada, f"http://127.0.0.1:{port}/")
        assert foreign.evaluate("localStorage['kfw.path']") is None
        here = f"http://127.0.0.1:{daemon.port}"
        for how in (
            "{}",
            "{mode: 'no-cors', credentials: 'include'}",
            "{method: 'POST', body: '{}', credentials: 'include'}",
        ):
            said = foreign.evaluate(
                f"fetch('{here}{place}/v1/status', {how}).then((answer) => answer.text(), () => 'refused')"
            )
            assert said in ("refused", ""), how
        foreign.evaluate(
            f"new Promise((done) => {{ const frame = document.createElement('iframe'); frame.onload = done;"
            f" frame.src = '{here}/'; document.body.append(frame); }})"
        )
        with pytest.raises(Error):
            foreign.frames[1].locator("#add").wait_for(timeout=500)
        assert daemon.listed == seen


def test_the_picture_in_the_docs_is_as_large_as_the_page_that_draws_it(browser: Browser) -> None:
    drawn, kept = draw(browser), PICTURE.read_bytes()
    assert kept[16:24] == drawn[16:24] == struct.pack(">II", *SIZE)  # PNG's IHDR: width, height
    assert len(kept) > 10_000
