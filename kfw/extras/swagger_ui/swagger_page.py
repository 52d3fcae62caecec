"""The page of one REST API, served by the daemon: Swagger UI's files, what it needs to know, and all else from the forward.

The browser finds the API's description and reads it, JSON or YAML of any size: the daemon only hands it on.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kfw.errors import KfwError
from kfw.extras.forward_uis import UiPorts, UiSubject
from kfw.extras.page_child import ended, wait_until_answers
from kfw.http.bounds import HttpLimits
from kfw.http.messages import Request, Response
from kfw.http.pages import ADDRESS, HEADERS, TYPES, error_answer, json_answer, refusal
from kfw.http.reverse_proxy import ReverseProxy
from kfw.http.server import HttpServer
from kfw.methods.supervised import logged
from kfw.system.files import outside
from kfw.system.process import Children

if TYPE_CHECKING:
    import ssl

#: The first port that is tried, for a page and for a container.
FIRST, FIRST_CONTAINER = 9100, 9300
#: Where the page is, among the paths of the API.
HOME = "/kfw/"
STATIC = Path(__file__).parent / "static"
#: Swagger UI's own files, see scripts/vendor-swagger.sh.
VENDORED = STATIC / "swagger-ui"
_ITS_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")
#: The same in a container, for who wants another version. Seconds until it answers; the first time it is fetched.
IMAGE = "swaggerapi/swagger-ui"
START = 90.0
#: Seconds that it gets to end.
_GRACE = 3.0
#: Swagger UI draws with styles in elements and pictures in its style sheet, and cannot do with trusted types.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
#: A request of "Try it out" may carry a file; an API may have many fields in a query.
LIMITS = HttpLimits(
    connections=64,
    head=64 * 1024,
    body=16 * 1024 * 1024,
    bodies=32 * 1024 * 1024,
    query_fields=1000,
    idle=120.0,
    arrive=120.0,
    write=60.0,
)
#: Seconds for one of our files to be read.
_READ = 10.0
#: Where a REST API describes itself, in Swagger 2 and OpenAPI 3: Spring, ASP.NET, FastAPI, Go's swag, Quarkus, Micronaut.
USUAL = (
    "openapi.json",
    "openapi.yaml",
    "openapi.yml",
    "swagger.json",
    "swagger.yaml",
    "v3/api-docs",
    "v2/api-docs",
    "swagger/v1/swagger.json",
    "swagger/doc.json",
    "q/openapi",
)
#: Where the config names a folder, or the API's own page.
_BESIDE = ("openapi.json", "openapi.yaml", "swagger.json", "doc.json")
#: In front of a path where the config names no base path: kportforward's way.
_DEFAULT_API = "api"


class SwaggerUi:
    """A kind of page, see kfw/extras/forward_uis.py."""

    def __init__(self, children: Children, ports: UiPorts) -> None:
        self._children = children
        self._ports = ports

    async def run(self, subject: UiSubject, on_active: Callable[[str], None]) -> None:
        if subject.forward.ui != "docker":
            await self._serve(subject, on_active)
            return
        await self._remove_container(subject)
        with self._ports.promise(0, FIRST_CONTAINER) as port:
            child = await self._children.start(
                container_argv(subject, port),
                label=f"Swagger UI of {subject.shown}",
                base=subject.environ,
                on_line=logged(subject.shown, "docker", lambda *_: logging.DEBUG),
            )
            try:
                await wait_until_answers(port, child, START)
                files = ReverseProxy(ADDRESS, port, authority=f"{ADDRESS}:{port}")
                await self._serve(subject, on_active, files, child.over)
                raise ended(child)
            finally:
                await child.stop(_GRACE)
                if child.over.done() and child.over.result() < 0:
                    await self._remove_container(subject)

    async def _remove_container(self, subject: UiSubject) -> None:
        """That of this page. It ends with docker's command, but lives on, and has the name, where that was killed."""
        from kfw.engine import docker
        from kfw.methods.forwarder.kind_nodes import ask

        with suppress(KfwError):  # `docker run` says what keeps it
            left = await ask(self._children, docker.labelled(container_label(subject)), subject.environ)
            if found := docker.ids(left.out):
                await ask(self._children, docker.remove(found), subject.environ)

    async def _serve(
        self,
        subject: UiSubject,
        on_active: Callable[[str], None],
        files: ReverseProxy | None = None,
        until: asyncio.Future[int] | None = None,
    ) -> None:
        """Until `until` is done; for ever without it."""
        forward = subject.forward
        listening, port = self._ports.listen(forward.ui_port, FIRST)
        server = HttpServer(SwaggerSite(subject, port, files).answer, name="swagger", limits=LIMITS)
        server.listen(listening)
        try:
            on_active(f"http://{ADDRESS}:{port}/")
            await (asyncio.shield(until) if until else asyncio.Event().wait())
        finally:
            await server.close(0)


def container_argv(subject: UiSubject, port: int) -> list[str]:
    """In the foreground: its end is the container's, and TERM goes through to it."""
    name = f"kpf-swagger-{re.sub('[^A-Za-z0-9.-]', '-', subject.shown)}"
    ((label, whose),) = container_label(subject).items()
    return [
        *("docker", "run", "--rm", "--name", name, "--label", f"{label}={whose}"),
        *("--publish", f"{ADDRESS}:{port}:8080", IMAGE),
    ]


def container_label(subject: UiSubject) -> dict[str, str | None]:
    """Whose container it is: of which kfw on this machine, and of which of its forwards."""
    import hashlib  # only with docker, as in owner()

    from kfw.methods.forwarder.container import owner

    row = hashlib.sha256(f"{subject.forward.source}/{subject.forward.name}".encode()).hexdigest()[:12]
    return {"io.kfw.swagger": f"{owner()}-{row}"}


class SwaggerSite:
    """What is answered on `port`. `files`: who has Swagger UI's own ones; None: they are here."""

    def __init__(self, subject: UiSubject, port: int, files: ReverseProxy | None = None) -> None:
        self._subject = subject
        self._port = port
        self._elsewhere = files
        self._api = ReverseProxy(
            subject.host, subject.port, authority=f"localhost:{subject.port}", tls=_tls(subject)
        )
        self._files = {file.name: file for folder in (STATIC, VENDORED) for file in folder.iterdir()}

    async def answer(self, request: Request) -> Response:
        if refused := refusal(request, self._port, links=("/", HOME)):
            return _ours(refused)
        if request.path == "/" and request.headers.get("sec-fetch-mode", "navigate") == "navigate":
            return _ours(Response(302, b"", "text/plain", {"location": HOME}))
        if request.path.startswith(HOME):
            return _ours(await self._own(request, request.path.removeprefix(HOME)))
        if not request.target.startswith("/"):
            return _ours(error_answer(400, "the request asks for something that is not a path"))
        return await self._api.answer(request)

    async def _own(self, request: Request, name: str) -> Response:
        if request.method not in ("GET", "HEAD"):
            return error_answer(405, "GET it")
        if name == "page.json":
            forward = self._subject.forward
            paths = spec_paths(forward.api_path, forward.swagger_path)
            return json_answer(
                {"name": self._subject.shown, "paths": paths, "apiPath": forward.api_path.strip("/")}
            )
        if self._elsewhere and name in _ITS_FILES:
            return await self._elsewhere.answer(replace(request, path=f"/{name}", target=f"/{name}"))
        file = self._files.get(name or "index.html")
        if file is None or file.suffix not in TYPES:
            return error_answer(404, "no such file", f"open {HOME}")
        return await _file(file)


async def _file(file: Path) -> Response:
    """Read when it is asked for: it is larger than all else that the daemon holds."""
    try:
        body = await outside(file.read_bytes, _READ)
    except OSError:
        return error_answer(500, f"cannot read {file.name}", "reinstall kfw")
    return Response(200, body, TYPES[file.suffix])


def _ours(response: Response) -> Response:
    """What the API answers has its own headers."""
    headers = {"cache-control": "no-cache", **HEADERS, "content-security-policy": POLICY}
    return replace(response, headers={**headers, **response.headers})


def _tls(subject: UiSubject) -> "ssl.SSLContext | None":
    if not subject.secure:
        return None
    from kfw.methods.app_health import any_certificate

    return any_certificate()


def spec_paths(api_path: str, swagger_path: str) -> list[str]:
    """Where the API may describe itself: what its config says first, then the usual places. Pure.

    Paths with their query, in the order in which they are tried; none twice.
    """
    api, named = api_path.strip("/"), swagger_path.strip("/")
    found: list[str] = []
    if named:
        bases = list(dict.fromkeys((api or _DEFAULT_API, "")))
        whole = [_joined(base, named) for base in bases]
        found += whole
        found += [_joined(path, file) for path in whole if "." not in path for file in _BESIDE]
    for base in dict.fromkeys((api, "")):
        found += [_joined(base, file) for file in USUAL]
    return list(dict.fromkeys(found))


def _joined(base: str, path: str) -> str:
    return "/" + "/".join(part for part in (base.strip("/"), path) if part)
