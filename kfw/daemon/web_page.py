"""The page of `kfw web` in the daemon: off until somebody asks for it, and nothing of it is imported until then.

When another daemon takes over, the page goes on there at once: its port, and the browsers that are logged in.
"""

import logging
import socket
from typing import TYPE_CHECKING

from kfw.daemon.handover_messages import OpenPage
from kfw.errors import KfwError, UsageError, words_of
from kfw.http.bounds import HttpLimits
from kfw.http.messages import Handler
from kfw.http.server import HttpServer
from kfw.protocol import WebReply, WebRequest
from kfw.system import local_ports

if TYPE_CHECKING:
    from kfw.web.site import Site

log = logging.getLogger("kfw.web")

#: A bookmark and an open tab find the page there again.
USUAL_PORT = 7531
#: A browser opens six connections for all its tabs.
LIMITS = HttpLimits(
    connections=64, head=16 * 1024, body=64 * 1024, bodies=1024 * 1024, replies=16 * 1024 * 1024, idle=120.0
)


class WebPage:
    """`address`: where it is, None while it is off."""

    def __init__(self, api: Handler) -> None:
        self.address: str | None = None
        self._api = api
        self._port = 0
        self._site: Site | None = None
        self._server: HttpServer | None = None
        self._listening: socket.socket | None = None

    def open(self, request: WebRequest) -> WebReply:
        """Serve it, if that is not so yet. Raises PortInUse, UsageError."""
        from kfw.web.asked import WebCaller

        if self._site and request.port not in (None, 0, self._port):
            raise UsageError(
                f"the page is on port {self._port} already",
                f"`kfw web --stop`, then `kfw web --port {request.port}`",
            )
        site = self._site or self._listen(request.port)
        site.caller = WebCaller(request.kubeconfig, request.environ)
        assert self.address
        return WebReply(address=self.address, url=f"http://{self.address}/#token={site.logins.token()}")

    def _listen(self, port: int | None) -> "Site":
        from kfw.http.pages import ADDRESS

        if port is not None and not 0 <= port <= 65535:
            raise UsageError(
                f"{port} is not a port", "a port is a number from 1 to 65535, or 0 for any free one"
            )
        wanted, if_taken = (USUAL_PORT, "next") if port is None else (port, "error")
        [listening], number = local_ports.bind((ADDRESS,), wanted, on_port_in_use=if_taken)
        return self._serve(listening, number)

    def _serve(self, listening: socket.socket, port: int) -> "Site":
        """Raises KfwError; the socket is closed then."""
        from kfw.http.pages import ADDRESS
        from kfw.web.site import Site

        try:
            site = Site(self._api, port)
        except OSError as error:
            listening.close()
            raise KfwError(f"cannot read the page's files: {words_of(error)}", "reinstall kfw") from error
        self._site, self._port, self.address = site, port, f"{ADDRESS}:{port}"
        self._server, self._listening = HttpServer(site.answer, name="web", limits=LIMITS), listening
        self._server.listen(listening)
        log.info("the page is on http://%s/", self.address)
        return site

    async def close(self) -> None:
        """Every browser is logged out, too."""
        if self._server:
            log.info("the page is off")
        await self.leave()

    # -- another daemon takes over

    def give(self) -> tuple[OpenPage | None, list[int]]:
        """For the one that comes, with the file of its socket; from now on nobody is let in here."""
        if not (self._site and self._server and self._listening):
            return None, []
        self._server.pause()
        caller, (tokens, browsers) = self._site.caller, self._site.logins.memory()
        environ = None if caller.environ is None else dict(caller.environ)
        page = OpenPage(self._port, caller.kubeconfig, environ, tokens, browsers)
        return page, [self._listening.fileno()]

    def resume(self) -> None:
        """It has not taken over."""
        if self._server:
            self._server.resume()

    async def leave(self) -> None:
        """Open pages are cut off, and come back to whoever serves them now."""
        server, self._server, self._site, self.address = self._server, None, None, None
        self._listening = None
        if server:
            await server.close(0)

    def take_over(self, page: OpenPage, listening: socket.socket) -> None:
        """What `give` said in the daemon before. That it cannot be served is said in the log."""
        from kfw.web.asked import WebCaller

        try:
            site = self._serve(listening, page.port)
        except KfwError as error:
            log.error("the page is off: %s", error.what)
            return
        site.caller = WebCaller(page.kubeconfig, page.environ)
        site.logins.remember(page.tokens, page.browsers)
