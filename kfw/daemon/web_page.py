"""The page of `kfw web` in the daemon: off until somebody asks for it, and nothing of it is imported until then."""

import logging
import socket
from typing import TYPE_CHECKING

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
        from kfw.web.site import Site

        if port is not None and not 0 <= port <= 65535:
            raise UsageError(
                f"{port} is not a port", "a port is a number from 1 to 65535, or 0 for any free one"
            )
        wanted, if_taken = (USUAL_PORT, "next") if port is None else (port, "error")
        sockets, self._port = local_ports.bind((ADDRESS,), wanted, on_port_in_use=if_taken)
        try:
            site = Site(self._api, self._port)
        except OSError as error:
            _close(sockets)
            raise KfwError(f"cannot read the page's files: {words_of(error)}", "install kfw again") from error
        self._site, self.address = site, f"{ADDRESS}:{self._port}"
        self._server = HttpServer(site.answer, name="web", limits=LIMITS)
        self._server.listen(sockets[0])
        log.info("the page is on http://%s/", self.address)
        return site

    async def close(self) -> None:
        """Every browser is logged out, too."""
        server, self._server, self._site, self.address = self._server, None, None, None
        if server:
            log.info("the page is off")
            await server.close(0)


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()
