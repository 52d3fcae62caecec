"""What is served on the page's port: its files to any browser on this machine, the control API to those that are logged in.

Who may ask: kfw/http/pages.py.
"""

from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

import msgspec

from kfw.errors import UsageError
from kfw.http.messages import Handler, Request, Response
from kfw.http.pages import HEADERS, error_answer, file_answer, is_json, json_answer, refusal, static_files
from kfw.web.asked import WebCaller, translated
from kfw.web.logins import Logins

STATIC = Path(__file__).parent / "static"
COOKIE = "kfw"


class Site:
    """`api` answers what a page may ask; `port`: where this is served."""

    def __init__(self, api: Handler, port: int) -> None:
        self.logins = Logins()
        self.caller = WebCaller()
        self._api = api
        self._port = port
        self._files = static_files(STATIC)

    async def answer(self, request: Request) -> Response:
        response = refusal(request, self._port) or await self._answer(request)
        return replace(response, headers={"cache-control": "no-store", **HEADERS, **response.headers})

    async def _answer(self, request: Request) -> Response:
        if file := self._files.get(request.path):
            return file_answer(file, request)
        if request.path == "/login":
            return self._login(request)
        _, api, place, *rest = [*request.path.split("/", 3), "", "", ""][:4]
        if api != "api":
            return error_answer(404, "no such page", "open /")
        if not self.logins.admits(place, _cookie(request)):
            return error_answer(
                401, "this browser is not logged in", "run `kfw web`, which opens a link that logs it in"
            )
        return await self._ask(request, f"/{rest[0]}")

    def _login(self, request: Request) -> Response:
        """The token comes in the URL's fragment, which no browser sends: it stands in no log and no Referer."""
        if request.method != "POST" or not is_json(request):
            return error_answer(405, "log in by a POST of JSON")
        try:
            token = msgspec.json.decode(request.body, type=dict[str, str]).get("token", "")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            token = ""
        login = self.logins.exchange(token)
        if login is None:
            return error_answer(
                401,
                "this link has been used, or is too old",
                "run `kfw web` again: each link logs one browser in",
            )
        path = f"/api/{login.place}"
        cookie = f"{COOKIE}={login.cookie}; Path={path}; HttpOnly; SameSite=Strict"
        return replace(json_answer({"path": path}), headers={"set-cookie": cookie})

    async def _ask(self, request: Request, path: str) -> Response:
        if request.method == "POST" and not is_json(request):
            return error_answer(415, "send JSON")
        try:
            asked = translated(request, path, self.caller)
        except UsageError as error:
            return error_answer(400, error.what, error.fix)
        if asked is None:
            return error_answer(404, "a page cannot do that")
        return await self._api(asked)


def _cookie(request: Request) -> str:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
