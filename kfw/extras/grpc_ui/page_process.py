"""The process that serves kfw's own pages for gRPC: told on stdin which there are to be, gone when stdin ends."""

import asyncio
import sys

import msgspec

from kfw.errors import KfwError
from kfw.extras.grpc_ui.grpc_site import LIMITS, GrpcSite
from kfw.extras.grpc_ui.page_orders import PageOrder, PageOrders
from kfw.http.pages import ADDRESS
from kfw.http.server import HttpServer
from kfw.system import local_ports

#: Bytes of a line: a thousand pages with a few files each.
_LONGEST = 4 * 1024 * 1024


class GrpcPages:
    """Those that are served."""

    def __init__(self) -> None:
        self._open: dict[PageOrder, tuple[HttpServer, GrpcSite]] = {}

    async def want(self, orders: PageOrders) -> None:
        """Raises KfwError for a port that another program has."""
        for order in [order for order in self._open if order not in orders.pages]:
            await self._close(order)
        for order in orders.pages:
            if order not in self._open:
                self._serve(order)

    async def close(self) -> None:
        for order in list(self._open):
            await self._close(order)

    def _serve(self, order: PageOrder) -> None:
        (listening,), _ = local_ports.bind((ADDRESS,), order.port)
        site = GrpcSite(order)
        server = HttpServer(site.answer, name="grpc page", limits=LIMITS)
        server.listen(listening)
        self._open[order] = (server, site)

    async def _close(self, order: PageOrder) -> None:
        server, site = self._open.pop(order)
        await server.close(0)
        await site.close()


async def serve() -> None:
    reader = asyncio.StreamReader(limit=_LONGEST)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    pages = GrpcPages()
    try:
        while line := await reader.readline():
            await pages.want(msgspec.json.decode(line, type=PageOrders))
    finally:
        await pages.close()


def main() -> int:
    try:
        asyncio.run(serve())
    except KfwError as error:
        print(error.what, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
