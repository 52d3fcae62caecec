"""Pages of forwards for people: Swagger UI for a REST API, forms for the methods of a gRPC service.

A page starts when its forward serves, ends with it, and never touches it: what goes wrong here is told in the row, and
tried again after a pause. Nothing of a kind of page is imported before a forward needs it.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from kfw.aio import expose_cancellation
from kfw.backoff import Backoff
from kfw.errors import KfwError, PortInUse, words_of
from kfw.http.pages import ADDRESS
from kfw.model import SERVING, Forward, Status
from kfw.names import RowId
from kfw.protocol import ForwardStatus, UiInfo
from kfw.system import local_ports
from kfw.system.clock import Clock

log = logging.getLogger("kfw.ui")

#: Seconds between two starts of a page that ends by itself; how long it must have been there until that counts as new.
PAUSES = Backoff(1.0, 60.0)
PROVEN = 30.0
#: A page is looked for on as many ports.
REACH = 200
#: The page stays while the forward comes back: its port is bound, and connections wait.
_KEPT = SERVING | {Status.RECONNECTING}


@dataclass(frozen=True)
class UiSubject:
    """The forward that a page is for. `host` and `port`: where it is now; `environ`: of who asked for it."""

    forward: Forward
    shown: str
    host: str
    port: int
    secure: bool = False  # it speaks TLS
    environ: Mapping[str, str] | None = field(default=None, repr=False, compare=False)

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Ui(Protocol):
    """A kind of page."""

    async def run(self, subject: UiSubject, on_active: Callable[[str], None]) -> None:
        """Serve it until this is cancelled; `on_active(url)` when it answers. Raises KfwError for what keeps or ends it."""
        ...


class UiPorts:
    """Ports for pages. `claimed`: those that forwards want, also while they are stopped."""

    def __init__(self, claimed: Callable[[], Collection[int]] = tuple) -> None:
        self._claimed = claimed
        self._promised: set[int] = set()

    def listen(self, wanted: int, first: int) -> tuple[socket.socket, int]:
        """On `wanted`, or where that is 0 the first free port from `first` on. Raises KfwError."""
        if wanted:
            try:
                return local_ports.bind((ADDRESS,), wanted)[0][0], wanted
            except PortInUse as error:
                raise PortInUse(error.what, "free it, or choose another uiPort") from error
        taken = {*self._claimed(), *self._promised}
        for port in range(first, min(first + REACH, 65536)):
            try:
                if port not in taken:
                    return local_ports.listening(ADDRESS, port), port
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise KfwError(f"cannot listen on {port}: {words_of(error)}") from error
        raise PortInUse(f"none of the {REACH} ports from {first} on is free for a page", "choose a uiPort")

    @contextmanager
    def promise(self, wanted: int, first: int) -> Iterator[int]:
        """A free port for a child, that no other page gets meanwhile."""
        listening, port = self.listen(wanted, first)
        listening.close()
        self._promised.add(port)
        try:
            yield port
        finally:
            self._promised.discard(port)


def ui_kind(forward: Forward) -> str | None:
    """None: nobody has asked for a page."""
    if forward.ui == "none":
        return None
    if forward.type == "rest" and (forward.swagger_path or forward.api_path):
        return "swagger"
    return "grpc" if forward.type == "rpc" else None


@dataclass
class _Page:
    subject: UiSubject
    info: UiInfo
    task: asyncio.Task[None] | None = None


class ForwardUis:
    """`subject_of(status)`: what the page of a forward that serves is for; None: it has none. `is_up`: it is, or wants to
    be. `on_change` is told whose page has another UiInfo now, never of a forward that has ended."""

    def __init__(
        self,
        ui_of: Callable[[str], Ui],
        subject_of: Callable[[ForwardStatus], UiSubject | None],
        is_up: Callable[[RowId], bool],
        on_change: Callable[[RowId], None],
        clock: Clock,
    ) -> None:
        self._ui_of = ui_of
        self._subject_of = subject_of
        self._is_up = is_up
        self._on_change = on_change
        self._clock = clock
        self._pages: dict[RowId, _Page] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._is_open = False

    def open(self, statuses: Iterable[ForwardStatus]) -> None:
        """From now on there are pages: of these that there are, and of those that are heard of."""
        self._is_open = True
        for status in statuses:
            self.hear("status", status)

    def hear(self, kind: str, status: ForwardStatus) -> None:
        """Of an Event. Returns at once."""
        if not self._is_open:
            return
        for row in [row for row in self._pages if not self._is_up(row)]:
            self._end(row)  # also one that is another project's now, under another id
        page = self._pages.get(status.id)
        if kind == "removed" or status.status not in _KEPT:
            self._end(status.id)
        elif status.status in SERVING:
            subject = self._subject_of(status)
            if page is None or page.subject != subject:
                before = self._end(status.id)
                self._begin(status.id, subject, before)

    def shown(self, status: ForwardStatus) -> ForwardStatus:
        """With its page."""
        page = self._pages.get(status.id)
        return msgspec.structs.replace(status, ui=page.info) if page else status

    async def close(self) -> None:
        self._is_open = False
        for row in list(self._pages):
            self._end(row)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _begin(self, row: RowId, subject: UiSubject | None, before: asyncio.Task[None] | None) -> None:
        kind = ui_kind(subject.forward) if subject else None
        if subject is None or kind is None:
            return
        page = self._pages[row] = _Page(subject, UiInfo(kind=kind, status="starting"))
        page.task = asyncio.create_task(self._keep(row, page, before), name=f"page of {subject.shown}")

    def _end(self, row: RowId) -> asyncio.Task[None] | None:
        page = self._pages.pop(row, None)
        if page is None or page.task is None:
            return None
        page.task.cancel()
        self._ending.add(page.task)
        page.task.add_done_callback(self._ending.discard)
        return page.task

    async def _keep(self, row: RowId, page: _Page, before: asyncio.Task[None] | None) -> None:
        """`before`: the page that this one follows, whose port is free when it has ended."""
        if before:
            await asyncio.wait({before})
        failures = 0
        while True:
            began = self._clock.monotonic()
            error = await self._run(row, page)
            failures = 1 if self._clock.monotonic() - began > PROVEN else failures + 1
            self._tell(row, page, UiInfo(kind=page.info.kind, status="error", message=_sentence(error)))
            await self._clock.sleep(PAUSES.after(failures))

    async def _run(self, row: RowId, page: _Page) -> KfwError:
        """Why it is there no more."""

        def on_active(url: str) -> None:
            log.info("%s: its page is on %s", page.subject.shown, url)
            self._tell(row, page, UiInfo(kind=page.info.kind, status="active", url=url))

        try:
            await expose_cancellation(
                self._ui_of(page.info.kind).run(page.subject, on_active), "the page of a forward"
            )
        except KfwError as error:
            if error.what not in page.info.message:  # else it only fails again
                log.warning("%s: cannot serve its page: %s", page.subject.shown, error.what)
            return error
        except Exception as error:  # whatever it is, the forward goes on
            log.exception("%s: its page failed", page.subject.shown)
            return KfwError(f"internal error: {type(error).__name__}", "`kfw logs` has the details")
        return KfwError("it has ended")

    def _tell(self, row: RowId, page: _Page, info: UiInfo) -> None:
        if self._pages.get(row) is page and info != page.info:
            page.info = info
            with suppress(KfwError):  # the forward has just gone
                self._on_change(row)


def subject_of(
    status: ForwardStatus, forward: Forward, environ: Mapping[str, str] | None = None
) -> UiSubject | None:
    """None: it has no page."""
    if ui_kind(forward) is None or not status.local_port:
        return None
    host = next(iter(status.local_addresses), ADDRESS)
    return UiSubject(
        # Where it leads may change; what serves there is the same.
        replace(forward, context="", namespace=""),
        status.shown,
        local_ports.address_to_connect(host),
        status.local_port,
        secure=(status.url or "").startswith("https:"),
        environ=environ,
    )


def _sentence(error: KfwError) -> str:
    return f"{error.what}; {error.fix}" if error.fix else error.what
