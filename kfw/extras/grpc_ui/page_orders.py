"""What the daemon tells the process of the pages, a line of JSON each time: all pages that there are to be."""

import msgspec


class PageOrder(msgspec.Struct, frozen=True):
    """A page on `port` of 127.0.0.1 for the gRPC server at `target`, HOST:PORT. `name`: what people call it."""

    port: int
    name: str
    target: str
    proto_files: tuple[str, ...] = ()


class PageOrders(msgspec.Struct, frozen=True):
    pages: list[PageOrder]
