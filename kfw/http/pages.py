"""What the pages that are served to browsers share: who may ask, their files, their headers, and answers in JSON.

A page of another site can make a browser send requests here. So the Host must be ours (a name that was made to point to
127.0.0.1 is not), the Origin of whatever acts, too, and no other site gets to read, frame or include anything.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from kfw.http.messages import Request, Response

#: Where a page is: on an address, so that no other program gets its connections, and no cookies of other ports of localhost.
ADDRESS = "127.0.0.1"
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


def refusal(request: Request, port: int, links: Collection[str] = ("/",)) -> Response | None:
    """Why this request does not come from the page on `port`; None: it does, or follows a link to one of `links`."""
    hosts = (f"{ADDRESS}:{port}", f"localhost:{port}")
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if host not in hosts:
        return error_answer(421, f"this page is only served at {ADDRESS}", f"open http://{hosts[0]}/")
    if origin is None and request.method not in ("GET", "HEAD"):
        return error_answer(403, "the request does not say which page it comes from")
    if origin not in (None, f"http://{host}"):
        return error_answer(403, "the request comes from a page of another site")
    site = request.headers.get("sec-fetch-site", "same-origin")
    is_link = request.headers.get("sec-fetch-mode") == "navigate" and request.path in links
    if site not in ("same-origin", "none") and not is_link:
        return error_answer(403, "the request comes from a page of another site")
    return None


@dataclass(frozen=True)
class StaticFile:
    body: bytes
    content_type: str
    etag: str


def static_files(folder: Path) -> dict[str, StaticFile]:
    """By path; index.html is /. Raises OSError."""
    found: dict[str, StaticFile] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix in TYPES:
            body = file.read_bytes()
            path = "/" if file.name == "index.html" else f"/{file.name}"
            found[path] = StaticFile(body, TYPES[file.suffix], f'"{sha256(body).hexdigest()[:20]}"')
    return found


def file_answer(file: StaticFile, request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        return error_answer(405, "GET it")
    headers = {"cache-control": "no-cache", "etag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(304, b"", file.content_type, headers)
    return Response(200, file.body, file.content_type, headers)


def is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def json_answer(value: Mapping[str, object], status: int = 200) -> Response:
    return Response(status, msgspec.json.encode(value))


def error_answer(status: int, what: str, fix: str = "") -> Response:
    return json_answer({"what": what, "fix": fix}, status)
