"""What the user does with forwards: each action asks the daemon in a thread, and says what came of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.message import Message
from textual.screen import Screen

from kfw import view
from kfw.errors import KfwError
from kfw.tui import daemon_actions
from kfw.tui.caller import Caller, NewForward
from kfw.tui.rows import LiveForwards


class ForwardActions(App[int]):
    """The app without its screen: `forwards` are what is known of all."""

    class Done(Message):
        """An action: what it did, or why it did not."""

        def __init__(self, said: str, error: KfwError | None = None) -> None:
            super().__init__()
            self.said, self.error = said, error

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self.forwards = LiveForwards()
        self._caller = caller

    @property
    @abstractmethod
    def selected(self) -> str:
        """The name of the forward that actions are for, "" where there is none."""

    def action_retry(self) -> None:
        self._on_selected(daemon_actions.retry)

    def action_restart(self) -> None:
        self._on_selected(daemon_actions.restart)

    def action_down(self) -> None:
        self._on_selected(daemon_actions.down)

    def action_switch(self) -> None:
        self._on_selected(daemon_actions.switch)

    def action_retry_all(self) -> None:
        self._do(lambda: daemon_actions.retry_all(self._caller))

    def action_remove(self) -> None:
        from kfw.tui.dialogs import Question

        if row := self._row():
            question = Question(f"Remove {view.shown(row)}? It is stopped, and its row is removed.", "Remove")
            self._ask(question, lambda: daemon_actions.remove(row, self._caller))

    def action_close_cluster(self) -> None:
        from kfw.tui.dialogs import Question

        if not (row := self._row()):
            return
        context = row["context"]
        count = sum(one.row["context"] == context for one in self.forwards.by_name.values())
        question = Question(f"Stop all {count} forwards of {context}?", "Stop & Close")
        self._ask(question, lambda: daemon_actions.close_cluster(context))

    def action_add(self) -> None:
        from kfw.tui.add_dialog import AddDialog

        def add(wanted: NewForward | None) -> None:
            if wanted:
                self._do(lambda: daemon_actions.add(wanted, self._caller))

        rows = [one.row for one in self.forwards.by_name.values()]
        busy = {
            row["localPort"]: view.shown(row) for row in rows if row["status"] not in ("stopped", "disabled")
        }
        self.push_screen(AddDialog(self._caller, busy), add)

    def action_open(self) -> None:
        from kfw.tui.desktop import browse

        if row := self._row():
            self._do(lambda: browse(row))

    def action_copy(self, what: str) -> None:
        from kfw.tui.desktop import copy

        if row := self._row():
            self._do(lambda: copy(row, what))

    def _row(self) -> dict[str, Any] | None:
        forward = self.forwards.by_name.get(self.selected)
        return forward.row if forward else None

    def _on_selected(self, action: Callable[[dict[str, Any], Caller], str]) -> None:
        if row := self._row():
            self._do(lambda: action(row, self._caller))

    def _ask(self, question: Screen[bool], action: Callable[[], str]) -> None:
        self.push_screen(question, lambda yes: self._do(action) if yes else None)

    def _do(self, action: Callable[[], str]) -> None:
        """In a thread: the daemon may take seconds to end a child."""

        def act() -> None:
            try:
                self.post_message(self.Done(action()))
            except KfwError as error:
                self.post_message(self.Done("", error))

        self.run_worker(act, thread=True, group="actions")

    def on_forward_actions_done(self, message: Done) -> None:
        if message.error:
            self.notify(daemon_actions.sentence(message.error), severity="error", timeout=10, markup=False)
        else:
            self.notify(message.said, timeout=4, markup=False)
