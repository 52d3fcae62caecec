"""What is served to whom, over a real socket: files to anybody here, the API to who is logged in, nothing to other sites.

The API behind it is a stub that says what it was asked; the real one is in tests/web/test_with_daemon.py.
"""

import asyncio
import http.client
import json
import re
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest
import pytest_asyncio

from kfw.http.messages import Request, Response
from kfw.http.pages import TYPES
from kfw.http.server import HttpServer
from kfw.system.local_ports import bind
from kfw.web.site import STATIC, Site

JSON = {"content-type": "application/json"}


class Served:
    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[Request] = []
        self.site = Site(self._stub_api, port)

    async def _stub_api(self, request: Request) -> Response:
        self.asked.append(request)
        return Response(200, b'{"stub": true}')

    async def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Header names with _ for -; `host` None sends this server's own."""
        return await asyncio.to_thread(self._send, method, path, body, headers)

    def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(
            method,
            path,
            None if body is None else json.dumps(body),
            {**(JSON if body is not None else {}), **sent},
        )
        with closing(connection), connection.getresponse() as answer:
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def log_in(self) -> tuple[str, str]:
        """The path and the cookie."""
        code, headers, body = await self.send(
            "POST", "/login", {"token": self.site.logins.token()}, origin=self.origin
        )
        assert code == 200
        return json.loads(body)["path"], headers["set-cookie"].partition(";")[0]


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    sockets, port = bind(("127.0.0.1",), 0)
    one = Served(port)
    server = HttpServer(one.site.answer, name="web")
    server.listen(sockets[0])
    yield one
    await server.close(0)


@pytest.mark.asyncio
async def test_every_file_is_served_with_the_policy_and_its_type(served: Served) -> None:
    for file in STATIC.iterdir():
        code, headers, body = await served.send("GET", "/" if file.name == "index.html" else f"/{file.name}")
        assert (code, body) == (200, file.read_bytes())
        assert headers["content-type"] == TYPES[file.suffix]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-frame-options"] == "DENY"
        again, _, empty = await served.send(
            "GET", f"/{file.name}".replace("/index.html", "/"), if_none_match=headers["etag"]
        )
        assert (again, empty) == (304, b"")


def test_the_whole_page_is_below_60_kB_and_names_no_other_host() -> None:
    files = list(STATIC.iterdir())
    assert sum(file.stat().st_size for file in files) < 60_000
    assert {file.suffix for file in files} <= TYPES.keys()
    for file in files:
        text = file.read_text()
        assert "innerHTML" not in text
        assert "https://" not in text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "").replace("`http://${", "")


def test_the_document_has_no_script_or_style_of_its_own() -> None:
    text = (STATIC / "index.html").read_text()
    assert text.count("<script") == text.count('<script type="module" src=')
    assert "<style" not in text
    assert " style=" not in text
    assert not re.search(r"<[^>]* on\w+=", text)


@pytest.mark.asyncio
async def test_a_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(served: Served) -> None:
    code, headers, body = await served.send(
        "POST", "/login", {"token": served.site.logins.token()}, origin=served.origin
    )
    path = json.loads(body)["path"]
    parts = headers["set-cookie"].split("; ")
    assert code == 200
    assert {f"Path={path}", "HttpOnly", "SameSite=Strict"} <= set(parts)
    assert parts[0].partition("=")[2] not in body.decode()


@pytest.mark.asyncio
async def test_with_the_cookie_on_its_path_the_api_answers(served: Served) -> None:
    path, cookie = await served.log_in()
    code, headers, body = await served.send("GET", f"{path}/v1/status", cookie=cookie)
    assert (code, body, headers["cache-control"]) == (200, b'{"stub": true}', "no-store")
    assert [(one.method, one.path) for one in served.asked] == [("GET", "/v1/status")]


@pytest.mark.asyncio
async def test_without_it_nothing_is_asked(served: Served) -> None:
    path, cookie = await served.log_in()
    other, _ = await served.log_in()
    name = cookie.partition("=")[0]
    for where, shown in (
        (path, ""),
        (path, f"{name}=x"),
        (path, f"{cookie}x"),
        (other, cookie),
        ("/api/x", cookie),
        ("/api/", cookie),
        ("/api", cookie),
    ):
        code, _, body = await served.send("GET", f"{where}/v1/status", cookie=shown)
        assert code in (401, 404), (where, shown)
        assert b"stub" not in body
    assert served.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize("token", ["", "wrong", None, 7, ["x"]])
async def test_a_wrong_token_is_refused_and_says_what_to_do(served: Served, token: Any) -> None:
    served.site.logins.token()
    code, headers, body = await served.send("POST", "/login", {"token": token}, origin=served.origin)
    assert code == 401
    assert "set-cookie" not in headers
    assert "kfw web" in json.loads(body)["fix"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "kfw.localhost:{port}",
        "0.0.0.0:{port}",
        "[::1]:{port}",
        "",
    ],
)
async def test_a_name_that_was_made_to_point_here_gets_nothing(served: Served, host: str) -> None:
    path, cookie = await served.log_in()
    for target in ("/", "/main.js", f"{path}/v1/status"):
        code, headers, body = await served.send(
            "GET", target, host=host.format(port=served.port), cookie=cookie
        )
        assert code in (400, 421)
        assert b"<" not in body
        assert "access-control-allow-origin" not in headers
    assert served.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8080"},  # an app behind a forward: the same site, another origin
        {"origin": "https://127.0.0.1:{port}"},
        {"origin": "http://localhost:{port}"},
        {},
    ],
)
async def test_what_acts_must_come_from_this_very_page(served: Served, headers: dict[str, str]) -> None:
    path, cookie = await served.log_in()
    sent = {name: value.format(port=served.port) for name, value in headers.items()}
    code, _, _ = await served.send("POST", f"{path}/v1/down", {"names": ["a"]}, cookie=cookie, **sent)
    assert code == 403
    assert (await served.send("POST", "/login", {"token": served.site.logins.token()}, **sent))[0] == 403
    assert served.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_page_can_neither_read_nor_include_but_a_link_to_it_works(
    served: Served, site: str
) -> None:
    path, cookie = await served.log_in()
    for target in ("/", "/main.js", f"{path}/v1/status", f"{path}/v1/events"):
        code, _, _ = await served.send(
            "GET", target, cookie=cookie, sec_fetch_site=site, sec_fetch_mode="no-cors"
        )
        assert code == 403
    assert (await served.send("GET", "/", sec_fetch_site=site, sec_fetch_mode="navigate"))[0] == 200
    assert served.asked == []


@pytest.mark.asyncio
async def test_a_form_of_another_site_could_not_even_be_read(served: Served) -> None:
    path, cookie = await served.log_in()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        code, _, _ = await served.send(
            "POST",
            f"{path}/v1/down",
            {"names": ["a"]},
            origin=served.origin,
            cookie=cookie,
            content_type=kind,
        )
        assert code == 415
    assert served.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    ["/../asked.py", "/%2e%2e/site.py", "/static/main.js", "/index.html", "/main.js/", "//main.js", "/login"],
)
async def test_only_what_is_in_the_list_is_served(served: Served, path: str) -> None:
    assert (await served.send("GET", path))[0] in (403, 404, 405)
