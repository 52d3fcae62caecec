"""Pages of forwards, with the daemon whole: they come with a forward that serves, go with it, and never touch it."""

import asyncio
import json
import os
import signal
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kfw.http.client_connection import ClientConnection
from kfw.http.http11 import HttpConnection
from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from kfw.sandbox.node import workloads
from kfw.sandbox.node.workloads import LIMITS, Box, Workload
from tests.extras.grpc_server import Cart, cart_server
from tests.extras.rest_server import RestServer
from tests.real import talk
from tests.real.running import until
from tests.stubs import Stubs
from tests.stubs.engine import Engine
from tests.tui.tmux import KFW, terminal
from tests.whole.conftest import Make
from tests.whole.forward_page import get, is_alive, is_served, page_of, port_of
from tests.whole.place import Place
from tests.whole.program import Entry, Program, kill

REST = {"type": "rest", "apiPath": "api/v1", "swaggerPath": "docs/swagger"}
#: What a page has when nothing on this machine serves it but kfw.
OWN = {"ui": "own"}


@pytest.fixture
def api(shared: Place, namespace: str, monkeypatch: pytest.MonkeyPatch) -> tuple[RestServer, Entry]:
    """A REST API in the cluster, and the entry that leads to it, without a port yet."""
    server = RestServer()

    async def serve(_: Box, __: int, reader: StreamReader, writer: StreamWriter) -> None:
        await HttpConnection(ClientConnection(reader, writer), server.answer, LIMITS).run()

    _deploy(shared, namespace, monkeypatch, serve, "api")
    return server, {"target": "service/api", "namespace": namespace, **REST}


@pytest.fixture
def cart(shared: Place, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cart, Entry]]:
    """A gRPC server with reflection, and the entry that leads to it by way of a pod."""
    with cart_server() as (port, server):

        async def serve(_: Box, __: int, reader: StreamReader, writer: StreamWriter) -> None:
            far, far_out = await asyncio.open_connection("127.0.0.1", port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_copy(reader, far_out))
                    both.create_task(_copy(far, writer))
            except* OSError:
                pass
            finally:
                far_out.transport.abort()

        _deploy(shared, namespace, monkeypatch, serve, "cart")
        yield server, {"target": "service/cart", "namespace": namespace, "type": "rpc"}


async def _copy(source: StreamReader, sink: StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.transport.abort()


def _deploy(shared: Place, where: str, monkeypatch: pytest.MonkeyPatch, serve: Any, name: str) -> None:
    monkeypatch.setitem(workloads.WORKLOADS, f"test/{name}", Workload(serve, 8080))
    shared.apply(
        deployment(where, name, f"test/{name}", ports={"web": 8080}),
        service(where, name, service_port(80, "web")),
    )


def test_A20_a_rest_api_has_a_page_that_reaches_it_from_one_origin_and_goes_with_the_forward(
    kfw: Program, api: tuple[RestServer, Entry], port: int
) -> None:
    server, entry = api
    kfw.up({"api": {**entry, "localPort": port}})
    url = page_of(kfw, "api", status="active", kind="swagger")["ui"]["url"]
    assert port_of(url) >= 9100
    assert get(url, sec_fetch_mode="navigate")[1]["location"] == "/kfw/"
    assert b"swagger-ui-bundle.js" in get(url, "/kfw/")[2]
    assert json.loads(get(url, "/kfw/page.json")[2])["paths"][0] == "/api/v1/docs/swagger"
    assert json.loads(get(url, "/api/v1/docs/swagger")[2])["openapi"] == "3.0.3"
    assert get(url, "/api/v1/things/7")[2] == b'{"thing": "7"}'
    assert server.asked[-1].headers["host"] == f"localhost:{port}"
    kfw("down", "api")
    assert kfw.status("api")["ui"] is None
    until(lambda: not is_served(url), 5, lambda: "the page is gone")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    made = Engine(tmp_path / "engine", monkeypatch)
    yield made
    made.close()


def test_A20_the_container_of_swagger_ui_comes_back_after_a_kill_and_goes_with_the_forward(
    api: tuple[RestServer, Entry], shared: Place, make_kfw: Make, port: int, engine: Engine
) -> None:
    """With a stub called docker, whose container lives on when the command that started it is killed."""
    other = {"Id": "1" * 64, "Name": "/kpf-swagger-other", "Config": {"Labels": {"io.kfw.swagger": "other"}}}
    engine.has(other)
    kfw = make_kfw(shared.kubeconfig, PATH=os.environ["PATH"], KFW_ENGINE=str(engine.home))
    kfw.up({"api": {**api[1], "localPort": port, "ui": "docker"}})
    url = page_of(kfw, "api", status="active", kind="swagger")["ui"]["url"]
    assert get(url, "/kfw/swagger-ui-bundle.js")[2] == b"container"
    (first,) = kfw.children("kpf-swagger-api")
    kill([first])
    until(
        lambda: kfw.children("kpf-swagger-api") not in ([], [first]), 30, lambda: f"it is back\n{kfw.log()}"
    )
    assert page_of(kfw, "api", status="active")["ui"]["url"] == url
    assert get(url, "/kfw/swagger-ui.css")[2] == b"container"
    assert kfw.rows()["api"]["restarts"] == 0
    assert [one["Name"] for one in engine.containers()] == ["/kpf-swagger-other", "/kpf-swagger-api"]
    kfw("down", "api")
    until(lambda: engine.containers() == [other], 10, lambda: f"{engine.containers()}\n{kfw.log()}")
    assert kfw.children("kpf-swagger-api") == []


def test_A20_without_a_path_in_the_config_there_is_no_page(
    kfw: Program, api: tuple[RestServer, Entry], port: int
) -> None:
    _, entry = api
    bare = {key: value for key, value in entry.items() if not key.endswith("Path")}
    kfw.up({"api": {**bare, "localPort": port}, "off": {**entry, "localPort": 0, "ui": "none"}})
    assert kfw.until_row("api", status="active")["ui"] is None
    assert kfw.until_row("off", status="active")["ui"] is None


def test_the_port_of_a_page_may_be_named_and_who_has_it_is_told(
    kfw: Program, api: tuple[RestServer, Entry], ports: Callable[[int], list[int]]
) -> None:
    _, entry = api
    port, first, second = ports(3)
    kfw.up({"api": {**entry, "localPort": port, "uiPort": first}})
    assert port_of(page_of(kfw, "api", status="active")["ui"]["url"]) == first
    with talk.listener(second):
        kfw.up({"api": {**entry, "localPort": port, "uiPort": second}})
        row = page_of(kfw, "api", status="error")
    assert row["status"] == "active"
    assert f"cannot listen on {second}" in row["ui"]["message"]
    assert "uiPort" in row["ui"]["message"]
    assert port_of(page_of(kfw, "api", status="active")["ui"]["url"]) == second  # it is tried again


def test_K25_in_the_terminal_app_o_opens_the_page_of_an_api_the_url_of_what_speaks_http_and_nothing_else(
    kfw: Program,
    api: tuple[RestServer, Entry],
    ports: Callable[[int], list[int]],
    tmp_path: Path,
) -> None:
    """Addresses stand in the list whether they can be opened or not: people copy them."""
    _, entry = api
    bare = {key: value for key, value in entry.items() if not key.endswith("Path")}
    web, rest, plain, rpc, other = ports(5)
    kfw.up(
        {
            "web": {**bare, "type": "web", "localPort": web},
            "rest": {**entry, "localPort": rest},
            "plain": {**bare, "localPort": plain},
            "rpc": {**bare, "type": "rpc", "ui": "none", "localPort": rpc},
            "other": {**bare, "type": "other", "localPort": other},
        }
    )
    page = page_of(kfw, "rest", status="active")["ui"]["url"]
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{opened}.new; mv {opened}.new {opened}\n')
    browser.chmod(0o755)
    env = {"KFW_HOME": str(kfw.home), "BROWSER": str(browser)}
    with terminal(kfw.home, size=(130, 40), **env) as shown:
        shown.type(f"cd {kfw.project}; {KFW} tui")
        shown.wait_for("5 forwards: 5 active", "? help")
        for name, address, url in (
            ("web", f"http://localhost:{web}", f"http://localhost:{web}"),
            ("rest", f"http://localhost:{rest}", page),
            ("plain", f"http://localhost:{plain}", f"http://localhost:{plain}"),
            ("rpc", f"localhost:{rpc}", ""),
            ("other", f"localhost:{other}", ""),
        ):
            shown.keys("/")
            shown.wait_for("words, status:error")  # the field for it
            shown.type(f"name:{name}")
            shown.wait_for("1 of 5 forwards")
            shown.until(lambda screen, at=(name, address): shows(screen, *at), f"no {name} at {address}")  # type: ignore[misc]
            shown.keys("o")
            if url:
                until(opened.exists, 30, lambda url=url: f"{url} is opened\n{shown.screen()}")  # type: ignore[misc]
                assert opened.read_text().strip() == url
                opened.unlink()
            else:
                shown.wait_for(f"{name} is not known to speak HTTP")
            shown.keys("Escape")
            shown.wait_without("1 of 5 forwards")
        kfw("down", "web", "rest")
        shown.wait_for("2 stopped")
        assert shows(shown.screen(), "web", f"localhost:{web}")
        assert not opened.exists()


def shows(screen: str, name: str, address: str) -> bool:
    """NAME, the status's sign and word, LOCAL."""
    return any([*line.split()[:1], *line.split()[3:4]] == [name, address] for line in screen.splitlines())


@pytest.mark.parametrize("headers", [{"host": "rebound.example"}, {"origin": "http://evil.example"}])
def test_another_site_reaches_neither_the_page_nor_the_api_behind_it(
    kfw: Program, api: tuple[RestServer, Entry], headers: dict[str, str]
) -> None:
    server, entry = api
    kfw.up({"api": {**entry, "localPort": 0}})
    url = page_of(kfw, "api", status="active")["ui"]["url"]
    before = len(server.asked)
    for path in ("/", "/kfw/", "/api/v1/things/7"):
        assert get(url, path, **headers)[0] in (403, 421)
    assert len(server.asked) == before


def test_A18_grpcui_is_shown_once_it_answers_and_comes_back_after_a_kill(
    cart: tuple[Cart, Entry], shared: Place, stubs: Stubs, make_kfw: Make, port: int
) -> None:
    _, entry = cart
    stubs.script(
        "grpcui",
        {"err": "stub: asks the server"},
        {"wait_for": "go"},
        {"listen": "-port"},
        {"serve": "http"},
        {"sleep": 1000},
    )
    kfw = make_kfw(shared.kubeconfig, PATH=os.environ["PATH"], KFW_STUBS=str(stubs.home))
    kfw.up({"cart": {**entry, "localPort": port}})
    row = page_of(kfw, "cart", status="starting")
    assert row["ui"]["url"] is None
    stubs.go("go")
    url = page_of(kfw, "cart", status="active", kind="grpc")["ui"]["url"]
    assert port_of(url) >= 9200
    assert get(url)[2] == b"stub"
    (call,) = stubs.calls("grpcui")
    assert call.argv[-1] == f"127.0.0.1:{port}"
    assert "-plaintext" in call.argv
    assert "cart: grpcui stderr: stub: asks the server" in kfw("logs", "cart").stdout
    seq = kfw.seq()
    kill([call.pid])
    until(lambda: len(stubs.calls("grpcui")) == 2, 30, lambda: f"it is started again\n{kfw.log()}")
    assert page_of(kfw, "cart", status="active")["ui"]["url"] == url
    assert kfw.history("cart", seq) == [] or {row["status"] for row in kfw.history("cart", seq)} == {"active"}
    words = [
        event["forward"]["ui"]["message"] for event in kfw.ask(f"/v1/events?since={seq}") if event["forward"]
    ]
    assert any("SIGKILL" in message for message in words)
    kfw("down", "cart")
    until(lambda: not is_alive(stubs.calls("grpcui")[1].pid), 10, lambda: "grpcui is gone with its forward")
    assert not is_served(url)


def test_A19_what_serves_no_page_here_is_told_and_the_forward_is_not_touched(
    kfw: Program, cart: tuple[Cart, Entry], port: int
) -> None:
    _, entry = cart
    kfw.up({"cart": {**entry, "localPort": port, "ui": "grpcui"}})
    row = page_of(kfw, "cart", status="error")
    assert row["status"] == "active"
    assert row["ui"]["message"] == "cannot find grpcui on PATH; install grpcui and put it on PATH"
    assert "gRPC UI: cannot find grpcui on PATH" in kfw("status").stdout


def test_kfws_own_pages_for_grpc_are_in_one_process_which_comes_back_and_ends_with_the_last(
    kfw: Program, cart: tuple[Cart, Entry], ports: Callable[[int], list[int]]
) -> None:
    _, entry = cart
    one, two = ports(2)
    kfw.up({"one": {**entry, **OWN, "localPort": one}, "two": {**entry, **OWN, "localPort": two}})
    urls = {name: page_of(kfw, name, status="active")["ui"]["url"] for name in ("one", "two")}
    assert len(set(urls.values())) == 2
    for url in urls.values():
        offer = json.loads(get(url, "/api/services")[2])
        assert [service["name"] for service in offer["services"]] == ["test.shop.Cart"]
    (pid,) = kfw.children("grpc_ui.page_process")
    os.kill(pid, signal.SIGKILL)
    until(lambda: kfw.children("grpc_ui.page_process") not in ([], [pid]), 30, lambda: "there is another one")
    for name, url in urls.items():
        assert page_of(kfw, name, status="active")["ui"]["url"] == url
        until(lambda url=url: get(url)[0] == 200 if is_served(url) else False, 30, lambda: "it answers again")
    assert kfw.rows()["one"]["restarts"] == 0
    kfw("down", "one")
    assert get(urls["two"])[0] == 200
    kfw("down", "two")
    until(lambda: not kfw.children("grpc_ui.page_process"), 10, lambda: "the process of pages is gone")


def test_status_open_and_events_name_the_page(kfw: Program, api: tuple[RestServer, Entry], port: int) -> None:
    _, entry = api
    kfw.up({"api": {**entry, "localPort": port}})
    url = page_of(kfw, "api", status="active")["ui"]["url"]
    assert f"Swagger UI: {url}" in kfw("status").stdout
    assert kfw("open", "api", "--print").stdout.strip() == url
    assert kfw("open", "api", "--print", "--direct").stdout.strip() == f"http://localhost:{port}"
    assert f"active on http://localhost:{port}: Swagger UI: {url}" in kfw("events").stdout
    assert kfw.ask("/v1/forwards/api/explain")["forward"]["ui"]["url"] == url


def test_with_all_pages_open_the_daemon_stays_small(
    cart: tuple[Cart, Entry], api: tuple[RestServer, Entry], shared: Place, make_kfw: Make
) -> None:
    """A daemon of its own: 55 MB with pages of both kinds that have been looked at."""
    kfw = make_kfw(shared.kubeconfig)
    kfw.up({"api": {**api[1], "localPort": 0}, "cart": {**cart[1], **OWN, "localPort": 0}})
    swagger = page_of(kfw, "api", status="active")["ui"]["url"]
    grpc = page_of(kfw, "cart", status="active")["ui"]["url"]
    for _ in range(3):
        assert len(get(swagger, "/kfw/swagger-ui-bundle.js")[2]) > 1_000_000
        assert get(swagger, "/api/v1/docs/swagger")[0] == 200
        assert get(grpc, "/api/services")[0] == 200
    rss = kfw.daemon()["rssBytes"]
    print(f"the daemon with all pages: {rss / 1e6:.1f} MB")
    assert rss < 55_000_000


def test_after_a_handover_and_after_a_kill_of_the_daemon_the_pages_are_where_they_were(
    own_kfw: Program, api: tuple[RestServer, Entry], cart: tuple[Cart, Entry]
) -> None:
    kfw = own_kfw
    kfw.up({"api": {**api[1], "localPort": 0}})
    kfw.up({"api": {**api[1], "localPort": 0}, "cart": {**cart[1], **OWN, "localPort": 0}})

    def urls() -> set[str]:
        return {page_of(kfw, name, status="active")["ui"]["url"] for name in ("api", "cart")}

    before = urls()
    kfw("restart", "--daemon")
    assert urls() == before
    assert all(get(url)[0] in (200, 302) for url in before)
    pages = kfw.children("grpc_ui.page_process")
    kfw.kill_daemon()
    kfw("start")
    assert urls() == before
    assert not {pid for pid in pages if is_alive(pid)}, "what a killed daemon left is ended"


def test_what_is_wrong_in_a_config_about_pages_is_told_with_its_place(kfw: Program) -> None:
    (kfw.project / "kfw.yaml").write_text(
        "portForwards:\n  a: {target: service/a, targetPort: 1, type: rpc, ui: grcpui, uiPort: 70000, protoFiles: 7}\n"
    )
    said = kfw("config", "check", code=2).stderr
    assert "ui is 'grcpui'" in said
    assert "did you mean grpcui?" in said
    assert "uiPort is 70000" in said
    assert "protoFiles is the number 7" in said
