"""The dialog for a new forward. Targets and their ports come from the cluster; what is wrong is said while it is typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Label, Select, Static

from kfw.choices import METHOD_CHOICES
from kfw.errors import KfwError
from kfw.tui.caller import Caller, NewForward, Offers
from kfw.tui.daemon_actions import sentence

#: Of the targets that are offered below the field.
_OFFERED = 6
#: Seconds after the last key until the cluster is asked.
_PAUSE = 0.5

#: Of onPortInUse.
_IF_TAKEN = (("the local port must be free", "error"), ("take a local port nearby", "next"))
_FIELDS = (
    ("target", "Target", "svc/api, deploy/api, pod/api-1"),
    ("port", "Port", "80, http, 8080:http, :80 for any local one"),
    ("name", "Name", "as its target"),
    ("namespace", "Namespace", "of the context"),
    ("context", "Context", "the current one"),
)


class AddDialog(ModalScreen[NewForward | None]):
    """None: the user wants nothing after all. `busy`: local ports that forwards have, and their names."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("ctrl+s", "submit", "Add", show=False),
        # Before the next key is given to a field: who types fast would fill in the one before.
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]

    class TargetsFound(Message):
        """`place`: what there is to forward; `said`: why it is not known."""

        def __init__(self, place: Offers | None, said: str, where: tuple[str, str]) -> None:
            super().__init__()
            self.place, self.said, self.where = place, said, where

    class ContextsKnown(Message):
        def __init__(self, current: str, names: list[str]) -> None:
            super().__init__()
            self.current, self.names = current, names

    def __init__(self, caller: Caller, busy: Mapping[int, str]) -> None:
        super().__init__()
        self._caller = caller
        self._busy = busy
        self._place: Offers | None = None
        self._where: tuple[str, str] | None = None
        self._cannot_ask = ""

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog add"):
            yield Static("Add a forward", classes="title")
            for key, title, placeholder in _FIELDS:
                with Horizontal(classes="field"):
                    yield Label(title)
                    yield Input(placeholder=placeholder, id=key, compact=True)
            with Horizontal(classes="field"):
                yield Label("Method")
                yield Select(
                    [(one, one) for one in METHOD_CHOICES],
                    value="auto",
                    allow_blank=False,
                    id="method",
                    compact=True,
                )
            with Horizontal(classes="field"):
                yield Label("If taken")
                yield Select(_IF_TAKEN, value="error", allow_blank=False, id="if-taken", compact=True)
            yield Static(id="offer", markup=False)
            yield Static(id="said", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Add", id="ok", variant="primary", disabled=True)
                yield Button("Cancel", id="cancel")

    def on_mount(self) -> None:
        self.query_one("#target", Input).focus()
        self.run_worker(self._ask_contexts, thread=True, group="contexts")
        self._ask_targets()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id in ("namespace", "context"):
            self.set_timer(_PAUSE, self._ask_targets)
        self._review()

    def on_input_submitted(self) -> None:
        self.action_submit()

    def on_select_changed(self) -> None:
        self._review()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self.action_submit()
        else:
            self.dismiss(None)

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_submit(self) -> None:
        if not self.query_one("#ok", Button).disabled:
            self.dismiss(self._wanted())

    def _text(self, key: str) -> str:
        return self.query_one(f"#{key}", Input).value.strip()

    def _wanted(self) -> NewForward:
        words = (self._text("name"), self._text("target"), self._text("port"))
        return NewForward(
            tuple(word for word in words if word),
            self._text("namespace"),
            self._text("context"),
            str(self.query_one("#method", Select).value),
            self._takes_next(),
        )

    def _takes_next(self) -> bool:
        return bool(self.query_one("#if-taken", Select).value == "next")

    def _review(self) -> None:
        """Says what would come of it, or what is wrong."""
        said, fine = "", False
        if self._text("target"):
            try:
                said, port = self._caller.preview(self._wanted().words)
                holder = self._busy.get(port or 0)
                fine = not holder or self._takes_next()
                if not fine:
                    said = (
                        f"cannot listen on {port}: the forward '{holder}' has it; choose another local port"
                    )
            except KfwError as error:
                said = sentence(error)
        shown = self.query_one("#said", Static)
        shown.update(said)
        shown.set_class(not fine, "wrong")
        self.query_one("#ok", Button).disabled = not fine
        self._offer()

    def _offer(self) -> None:
        """The ports of the target, or the targets that begin like it."""
        self.query_one("#offer", Static).update(offer(self._place, self._text("target")) or self._cannot_ask)

    def _ask_contexts(self) -> None:
        try:
            current, names = self._caller.contexts()
        except KfwError:
            return  # what is wrong with the kubeconfig is said of the targets
        self.post_message(self.ContextsKnown(current, list(names)))

    def on_add_dialog_contexts_known(self, message: ContextsKnown) -> None:
        field = self.query_one("#context", Input)
        field.suggester = SuggestFromList(message.names)
        field.placeholder = message.current or field.placeholder

    def _ask_targets(self) -> None:
        where = self._text("context"), self._text("namespace")
        if where == self._where:
            return
        self._where = where
        self.run_worker(lambda: self._find(where), thread=True, exclusive=True, group="targets")

    def _find(self, where: tuple[str, str]) -> None:
        try:
            self.post_message(self.TargetsFound(self._caller.targets(*where), "", where))
        except KfwError as error:
            self.post_message(self.TargetsFound(None, f"cannot list targets: {error.what}", where))

    def on_add_dialog_targets_found(self, message: TargetsFound) -> None:
        if message.where != self._where:
            return
        self._place, self._cannot_ask = message.place, message.said
        if message.place:
            self.query_one("#target", Input).suggester = SuggestFromList(list(message.place.targets))
            self.query_one("#namespace", Input).placeholder = message.place.namespace
        self._offer()


def offer(place: Offers | None, typed: str) -> str:
    """Pure: the line below the fields."""
    if place is None:
        return ""
    denied = "" if place.into_pods else "; you may not forward to pods there"
    kind, slash, name = typed.partition("/")
    if slash and name:
        for target, ports in place.targets.items():
            if target.partition("/")[2] == name and _same_kind(target.partition("/")[0], kind):
                return f"{target} has: {', '.join(ports) or 'no ports that it names'}{denied}"
    alike = [target for target in place.targets if typed.rpartition("/")[2] in target]
    more = f", and {len(alike) - _OFFERED} more" if len(alike) > _OFFERED else ""
    return f"in {place.namespace}: {', '.join(alike[:_OFFERED]) or 'nothing like it'}{more}{denied}"


def _same_kind(one: str, other: str) -> bool:
    from kfw.choices import kind_named

    return kind_named(one) == kind_named(other.lower())
