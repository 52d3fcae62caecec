"""The pages of this daemon's forwards: nothing of them is imported until one of type rest or rpc serves."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kfw.choices import UI_TYPES
from kfw.environ import Environs
from kfw.errors import UsageError
from kfw.model import SERVING, Forward
from kfw.names import RowId
from kfw.protocol import ForwardStatus
from kfw.supervisor.supervisor import Supervisor, Tell
from kfw.system.clock import Clock
from kfw.system.process import Children

if TYPE_CHECKING:
    from kfw.extras.forward_uis import ForwardUis, Ui, UiPorts, UiSubject


class ForwardPages:
    """`emit` tells those who follow of a row whose page is another one now."""

    def __init__(self, children: Children, environs: Environs, emit: Tell) -> None:
        self._children = children
        self._environs = environs
        self._emit = emit
        self._supervisor: Supervisor | None = None
        self._uis: ForwardUis | None = None

    def open(self, supervisor: Supervisor) -> None:
        """From now on there are pages: of its forwards that serve, and of those that are heard of."""
        self._supervisor = supervisor
        for status in supervisor.statuses():
            self.hear("status", status)

    def hear(self, kind: str, status: ForwardStatus) -> None:
        """Of an Event. Returns at once."""
        if self._supervisor and self._uis is None and status.status in SERVING:
            forward = self._forward(status.id)
            if forward and forward.type in UI_TYPES:
                self._uis = self._load(self._supervisor)
        if self._uis:
            self._uis.hear(kind, status)

    def shown(self, status: ForwardStatus) -> ForwardStatus:
        """With its page."""
        return self._uis.shown(status) if self._uis else status

    async def close(self) -> None:
        uis, self._uis, self._supervisor = self._uis, None, None
        if uis:
            await uis.close()

    def _load(self, supervisor: Supervisor) -> "ForwardUis":
        from kfw.extras.forward_uis import ForwardUis, UiPorts

        ports = UiPorts(lambda: {one.local_port for one in supervisor.rows().values()})
        uis = ForwardUis(
            _ui_of(self._children, ports),
            self._subject,
            is_up=lambda row: self._forward(row) is not None,
            on_change=lambda row: self._emit("status", supervisor.report(row)),
            clock=Clock(),
        )
        uis.open(())
        return uis

    def _forward(self, row: RowId) -> Forward | None:
        """Of what is up: what a page is for."""
        try:
            return self._supervisor.runner(row).forward if self._supervisor else None
        except UsageError:
            return None

    def _subject(self, status: ForwardStatus) -> "UiSubject | None":
        from kfw.extras.forward_uis import subject_of

        forward = self._forward(status.id)
        return subject_of(status, forward, self._environs.of(status.id)) if forward else None


def _ui_of(children: Children, ports: "UiPorts") -> "Callable[[str], Ui]":
    """Kinds of pages by UiInfo.kind; each is imported and made when a forward needs it first."""
    made: dict[str, Ui] = {}

    def of(kind: str) -> "Ui":
        if kind not in made:
            if kind == "swagger":
                from kfw.extras.swagger_ui.swagger_page import SwaggerUi

                made[kind] = SwaggerUi(children, ports)
            else:
                from kfw.extras.grpc_ui.supervised_page import GrpcUi

                made[kind] = GrpcUi(children, ports)
        return made[kind]

    return of
