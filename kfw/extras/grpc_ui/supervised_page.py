"""The daemon's part: a child that serves the page, told where, asked until it answers, and started again by who runs this.

grpcui is a process for each forward. kfw's own pages are all in one, which ends with the last of them.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import msgspec

import kfw
from kfw.errors import ToolMissing
from kfw.extras.forward_uis import UiPorts, UiSubject
from kfw.extras.grpc_ui.page_orders import PageOrder, PageOrders
from kfw.extras.page_child import ended, wait_until_answers
from kfw.http.pages import ADDRESS
from kfw.methods.supervised import logged
from kfw.system.process import Child, Children
from kfw.system.tools import missing

#: The first port that is tried.
FIRST = 9200
#: Seconds until a page must answer. grpcui asks the server what it has before it does.
START = 30.0
#: Seconds that a page's process gets to end.
_GRACE = 2.0


class GrpcUi:
    """A kind of page, see kfw/extras/forward_uis.py."""

    def __init__(self, children: Children, ports: UiPorts) -> None:
        self._children = children
        self._ports = ports
        self._own = OwnPages(children)

    async def run(self, subject: UiSubject, on_active: Callable[[str], None]) -> None:
        forward = subject.forward
        with self._ports.promise(forward.ui_port, FIRST) as port:
            async with self._page(subject, port) as child:
                await wait_until_answers(port, child, START)
                on_active(f"http://{ADDRESS}:{port}/")
                await child.wait()
                raise ended(child)

    @asynccontextmanager
    async def _page(self, subject: UiSubject, port: int) -> AsyncIterator[Child]:
        """Raises KfwError."""
        lacks = ToolMissing("") if subject.forward.ui == "own" else missing("grpcui", subject.environ)
        if lacks and subject.forward.ui == "grpcui":
            raise lacks
        if lacks:
            async with self._own.page(subject, port) as child:
                yield child
            return
        child = await self._children.start(
            argv(subject, port),
            label=f"grpcui of {subject.shown}",
            base=subject.environ,
            on_line=logged(subject.shown, "grpcui", lambda *_: logging.INFO),
        )
        try:
            yield child
        finally:
            await child.stop(_GRACE)


def argv(subject: UiSubject, port: int) -> list[str]:
    """https://github.com/fullstorydev/grpcui. It never opens a browser by itself."""
    return [
        *("grpcui", "-bind", ADDRESS, "-port", str(port), "-open-browser=false"),
        *("-plaintext", "-connect-fail-fast=false", "-connect-timeout", "5"),
        *(word for file in subject.forward.proto_files for word in _described_by(file)),
        subject.authority,
    ]


def _described_by(file: str) -> list[str]:
    if file.endswith(".proto"):
        return ["-import-path", str(Path(file).parent), "-proto", Path(file).name]
    return ["-protoset", file]


class OwnPages:
    """One process for all, told each time which there are to be."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._child: Child | None = None
        self._pages: dict[int, PageOrder] = {}
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def page(self, subject: UiSubject, port: int) -> AsyncIterator[Child]:
        """The process that is to serve it. Raises KfwError."""
        self._pages[port] = PageOrder(
            port=port,
            name=subject.shown,
            target=subject.authority,
            proto_files=subject.forward.proto_files,
        )
        try:
            async with self._turn:
                child = await self._running()
                self._tell(child)
            yield child
        finally:
            del self._pages[port]
            await self._leave()

    async def _running(self) -> Child:
        if self._child and self._child.running:
            return self._child
        if self._child:
            await self._child.stop(_GRACE)
        self._child = None
        if not (_is_installed("grpc") and _is_installed("google.protobuf")):
            from kfw.system.installation import how_to_get

            raise ToolMissing(
                "a page for gRPC needs grpcui, or grpcio and protobuf",
                f"install grpcui, or `{how_to_get('grpc')}`",
            )
        self._child = await self._children.start(
            [sys.executable, "-P", "-m", "kfw.extras.grpc_ui.page_process"],
            label="pages for gRPC",
            env={"PYTHONPATH": str(Path(kfw.__file__).parent.parent)},
            on_line=logged("pages for gRPC", "kfw", lambda *_: logging.INFO),
            stdin=True,
        )
        return self._child

    def _tell(self, child: Child) -> None:
        child.tell(msgspec.json.encode(PageOrders(list(self._pages.values()))) + b"\n")

    async def _leave(self) -> None:
        """The process ends with its last page."""
        child = self._child
        if child is None:
            return
        if self._pages:
            self._tell(child)
            return
        self._child = None
        await child.stop(_GRACE)


def _is_installed(module: str) -> bool:
    """Without importing it: that is for the process of the pages."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is in
        return False
