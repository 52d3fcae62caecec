"""What is served on the page's port: its files to any browser on this machine, the control API to those that are logged in.

A page of another site can make a browser send requests here. So the Host must be ours (a name that was made to point to
127.0.0.1 is not), the Origin of whatever acts, too, and no other site gets to read, frame or include anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

import msgspec

from kfw.errors import UsageError
from kfw.http.messages import Handler, Request, Response
from kfw.web.asked import WebCaller, translated
from kfw.web.logins import Logins

STATIC = Path(__file__).parent / "static"
#: By suffix: what is served, and nothing else.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: Everything from here, no script or style that stands in a document, and text never becomes markup.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
COOKIE = "kfw"


@dataclass(frozen=True)
class StaticFile:
    body: bytes
    content_type: str
    etag: str


class Site:
    """`api` answers what a page may ask; `port`: where this is served."""

    def __init__(self, api: Handler, port: int) -> None:
        self.logins = Logins()
        self.caller = WebCaller()
        self._api = api
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._files = static_files()

    async def answer(self, request: Request) -> Response:
        response = self._refusal(request) or await self._answer(request)
        return replace(response, headers={"cache-control": "no-store", **HEADERS, **response.headers})

    def _refusal(self, request: Request) -> Response | None:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if host not in self._hosts:
            return _error(421, "this page is only at 127.0.0.1", f"open http://{self._hosts[0]}/")
        if origin is None and request.method not in ("GET", "HEAD"):
            return _error(403, "the request does not say which page it comes from")
        if origin not in (None, f"http://{host}"):
            return _error(403, "the request comes from a page of another site")
        site = request.headers.get("sec-fetch-site", "same-origin")
        is_link = request.headers.get("sec-fetch-mode") == "navigate" and request.path == "/"
        if site not in ("same-origin", "none") and not is_link:
            return _error(403, "the request comes from a page of another site")
        return None

    async def _answer(self, request: Request) -> Response:
        if file := self._files.get(request.path):
            return _file(file, request)
        if request.path == "/login":
            return self._login(request)
        _, api, place, *rest = [*request.path.split("/", 3), "", "", ""][:4]
        if api != "api":
            return _error(404, "there is no such page", "open /")
        if not self.logins.admits(place, _cookie(request)):
            return _error(
                401, "this browser is not logged in", "run `kfw web`, which opens a link that logs it in"
            )
        return await self._ask(request, f"/{rest[0]}")

    def _login(self, request: Request) -> Response:
        """The token comes in the URL's fragment, which no browser sends: it stands in no log and no Referer."""
        if request.method != "POST" or not _is_json(request):
            return _error(405, "log in by a POST of JSON")
        try:
            token = msgspec.json.decode(request.body, type=dict[str, str]).get("token", "")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            token = ""
        login = self.logins.exchange(token)
        if login is None:
            return _error(
                401,
                "this link has been used, or is too old",
                "run `kfw web` again: each link logs one browser in",
            )
        path = f"/api/{login.place}"
        cookie = f"{COOKIE}={login.cookie}; Path={path}; HttpOnly; SameSite=Strict"
        return replace(_json({"path": path}), headers={"set-cookie": cookie})

    async def _ask(self, request: Request, path: str) -> Response:
        if request.method == "POST" and not _is_json(request):
            return _error(415, "send JSON")
        try:
            asked = translated(request, path, self.caller)
        except UsageError as error:
            return _error(400, error.what, error.fix)
        if asked is None:
            return _error(404, "a page cannot ask that")
        return await self._api(asked)


def static_files() -> dict[str, StaticFile]:
    """By path. Raises OSError."""
    found: dict[str, StaticFile] = {}
    for file in sorted(STATIC.iterdir()):
        if file.suffix in TYPES:
            body = file.read_bytes()
            path = "/" if file.name == "index.html" else f"/{file.name}"
            found[path] = StaticFile(body, TYPES[file.suffix], f'"{sha256(body).hexdigest()[:20]}"')
    return found


def _file(file: StaticFile, request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        return _error(405, "GET it")
    headers = {"cache-control": "no-cache", "etag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(304, b"", file.content_type, headers)
    return Response(200, file.body, file.content_type, headers)


def _cookie(request: Request) -> str:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _json(value: Mapping[str, object], status: int = 200) -> Response:
    return Response(status, msgspec.json.encode(value))


def _error(status: int, what: str, fix: str = "") -> Response:
    return _json({"what": what, "fix": fix}, status)
