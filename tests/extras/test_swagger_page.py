"""What is served where, over a real socket; and Swagger UI's files from a container, with a stub called docker."""

import asyncio
import hashlib
import http.client
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from kfw.errors import KfwError
from kfw.extras.forward_uis import UiPorts, UiSubject
from kfw.extras.swagger_ui.swagger_page import STATIC, VENDORED, SwaggerSite, SwaggerUi, container_argv
from kfw.http.server import HttpServer
from kfw.system.ledger import Ledger
from kfw.system.local_ports import bind
from kfw.system.process import Children
from tests.extras.rest_server import RestServer
from tests.fakes import forward
from tests.stubs import Stubs, eventually

STUB = Path(__file__).parents[1] / "stubs" / "stub.py"
REST = {"type": "rest", "api_path": "api/v1", "swagger_path": "docs/swagger"}


def subject(port: int, **fields: str) -> UiSubject:
    return UiSubject(forward("my-things", **REST, **fields), "my-things", "127.0.0.1", port)


@asynccontextmanager
async def served(api: RestServer) -> AsyncIterator[int]:
    (behind, far), (ahead, port) = bind(("127.0.0.1",), 0), bind(("127.0.0.1",), 0)
    site = SwaggerSite(subject(far), port)
    servers = HttpServer(api.answer, name="api"), HttpServer(site.answer, name="page")
    for server, sockets in zip(servers, (behind, ahead), strict=True):
        server.listen(sockets[0])
    try:
        yield port
    finally:
        for server in servers:
            await server.close(0)


async def get(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    def ask() -> tuple[int, dict[str, str], bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request(
                method, path, headers={key.replace("_", "-"): value for key, value in headers.items()}
            )
            answer = connection.getresponse()
            return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()

    return await asyncio.to_thread(ask)


@pytest.mark.asyncio
async def test_the_page_is_below_one_path_and_all_else_is_the_apis() -> None:
    api = RestServer()
    async with served(api) as port:
        for file in ("", "page.js", "servers.js", "page.css", "swagger-ui-bundle.js", "swagger-ui.css"):
            status, headers, body = await get(port, f"/kfw/{file}")
            assert (status, bool(body)) == (200, True)
            assert "script-src 'self'" in headers["content-security-policy"]
        assert json.loads((await get(port, "/kfw/page.json"))[2])["name"] == "my-things"
        for none in ("LICENSE", "VERSION", "..%2Findex.html", "../index.html", "nothing.js"):
            assert (await get(port, f"/kfw/{none}"))[0] == 404
        assert api.asked == []
        assert (await get(port, "/", sec_fetch_mode="cors"))[0] == 404
        assert (await get(port, "/index.html"))[2] == b'{"no": "such thing"}'
        assert [one.path for one in api.asked] == ["/", "/index.html"]


@pytest.mark.asyncio
async def test_what_acts_must_come_from_the_page_itself() -> None:
    api = RestServer()
    async with served(api) as port:
        own = f"http://127.0.0.1:{port}"
        for headers in (
            {},
            {"origin": "null"},
            {"origin": f"{own}0"},
            {"origin": own, "sec_fetch_site": "cross-site"},
        ):
            assert (await get(port, "/api/v1/things", "POST", **headers))[0] == 403
        assert api.asked == []
        assert (await get(port, "/api/v1/things", "POST", origin=own))[0] == 201


def test_no_script_or_style_stands_in_the_document() -> None:
    text = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]* src=)|<style|\son\w+=|style=", text) == []


def test_the_files_of_swagger_ui_are_those_of_the_version_with_their_licence() -> None:
    """Somebody who edits them by hand, or a merge that does, is noticed: the script is where they come from."""
    script = (Path(__file__).parents[2] / "scripts" / "vendor-swagger.sh").read_text()
    version = re.search(r"^VERSION=(\S+)$", script, re.MULTILINE)
    assert version
    assert (VENDORED / "VERSION").read_text().strip() == version[1]
    assert "Apache License" in (VENDORED / "LICENSE").read_text()
    sums = dict(
        reversed(line.split()) for line in re.findall(r"^#   ([0-9a-f]{64}  \S+)$", script, re.MULTILINE)
    )
    assert {name: hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() for name in sums} == sums
    assert len(sums) == 2


def test_A20_the_container_has_the_seeds_name_and_one_port_of_this_machine() -> None:
    *before, label, publish, place, image = container_argv(subject(1), 9101)
    assert before == ["docker", "run", "--rm", "--name", "kpf-swagger-my-things", "--label"]
    assert re.fullmatch("io.kfw.swagger=[0-9a-f]{12}-[0-9a-f]{12}", label)
    assert (publish, place, image) == ("--publish", "127.0.0.1:9101:8080", "swaggerapi/swagger-ui")
    other = replace(subject(1), shown="shop/my_things", forward=forward("my-things", source="/b/kfw.yaml"))
    assert "kpf-swagger-shop-my-things" in container_argv(other, 9101)
    assert label not in container_argv(other, 9101)


@pytest.mark.asyncio
async def test_A20_with_docker_its_files_are_the_containers_and_its_end_is_the_pages(
    stubs: Stubs, tmp_path: Path
) -> None:
    (stubs.home / "python" / "docker").symlink_to(STUB)  # first on PATH for this test alone
    stubs.script(
        "docker",
        {"listen": "--publish"},
        {"serve": "http"},
        {"wait_for": "end"},
        {"err": "stub: oops"},
        {"exit": 1},
    )
    children = Children(Ledger(tmp_path / "ledger.jsonl"))
    urls: list[str] = []
    running = asyncio.create_task(SwaggerUi(children, UiPorts()).run(subject(1, ui="docker"), urls.append))
    await eventually(lambda: urls or running.done())
    port = int(urls[0].strip("/").rpartition(":")[2])
    assert (await get(port, "/kfw/swagger-ui-bundle.js"))[2] == b"stub"
    assert b"onOneOrigin" in (await get(port, "/kfw/servers.js"))[2]
    stubs.go("end")
    with pytest.raises(KfwError, match="docker exited with code 1: stub: oops"):
        await running
    with pytest.raises(OSError):
        await get(port, "/kfw/")
    await children.stop_all()
