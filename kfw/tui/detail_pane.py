"""What there is to know of the selected forward: explain, connections, events, the log; loaded when something changes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from kfw import client
from kfw.errors import KfwError
from kfw.printable import printable
from kfw.tui.caller import Caller
from kfw.tui.rows import key_of
from kfw.view import details, local, page_note

SECTIONS = ("explain", "connections", "events", "log")
#: Of the events and connections of one forward.
_MOST = 200

Load = Callable[[str, int], list[str]]


class DetailPane(Vertical):
    """Below the table; `show` a section of a forward."""

    class Loaded(Message):
        def __init__(self, name: str, section: str, lines: list[str]) -> None:
            super().__init__()
            self.name, self.section, self.lines = name, section, lines

    def __init__(self, caller: Caller) -> None:
        super().__init__(id="details")
        self._caller = caller
        self.name_shown = ""
        self.section = SECTIONS[0]
        self._title = Static(id="details-title", markup=False)
        self._text = Static(id="details-text", markup=False)
        self._scroll = VerticalScroll(self._text, id="details-scroll")
        self._scroll.can_focus = False

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._scroll

    @property
    def is_open(self) -> bool:
        return self.has_class("open")

    def show(self, name: str, title: str, section: str) -> None:
        """`name` as the daemon takes it, `title` as people read it."""
        other = (name, section) != (self.name_shown, self.section)
        self.name_shown, self.section = name, section
        self.add_class("open")
        marks = (f"[{one}]" if one == section else f" {one} " for one in SECTIONS)
        numbered = "  ".join(f"{number}{mark}" for number, mark in enumerate(marks, 1))
        self._title.update(f"{title}   {numbered}")
        if other:
            self._text.update("")
            self._scroll.scroll_home(animate=False)
        self.load()

    def close(self) -> None:
        self.remove_class("open")

    def load(self) -> None:
        """In a thread: the daemon measures a round trip for explain."""
        if not (self.is_open and self.name_shown):
            return
        name, section, width = self.name_shown, self.section, max(self.app.size.width - 4, 40)
        self.run_worker(
            lambda: self._load(name, section, width), thread=True, exclusive=True, group="details"
        )

    def _load(self, name: str, section: str, width: int) -> None:
        loaders: dict[str, Load] = {
            "explain": explain_lines,
            "connections": connection_lines,
            "events": event_lines,
            "log": lambda name, _: list(self._caller.log_tail(name)) or ["the log has no lines about it"],
        }
        try:
            lines = loaders[section](name, width)
        except KfwError as error:
            lines = [error.what, error.fix]
        self.post_message(self.Loaded(name, section, lines))

    def on_detail_pane_loaded(self, message: Loaded) -> None:
        message.stop()
        if (message.name, message.section) != (self.name_shown, self.section):
            return
        at_end = self._scroll.max_scroll_y - self._scroll.scroll_y < 1
        self._text.update(Text.from_ansi(printable("\n".join(message.lines), colours=True)))
        if self.section in ("events", "log") and at_end:
            self.call_after_refresh(self._scroll.scroll_end, animate=False)

    def scroll_lines(self, lines: int) -> None:
        self._scroll.scroll_relative(y=lines, animate=False)


def explain_lines(name: str, width: int) -> list[str]:
    explanation = msgspec.to_builtins(client.explain(name))
    row = explanation["forward"]
    facts = [
        f"local port: {row['localPort']}", f"pid: {row['pid'] or '-'}", f"restarts: {row['restarts']}",
        f"url: {local(row)}", f"connections: {row['totalConnections']}, lost: {row['lostConnections']}",
    ]  # fmt: skip
    page = [note] if (note := page_note(row)) else []
    return [*details.explain_lines(explanation, width=width, colour=True), "  ".join(facts), *page]


def connection_lines(name: str, width: int) -> list[str]:
    found = [
        one
        for one in msgspec.to_builtins(client.connections().connections)
        if key_of(one | {"name": one["forward"]}) == name
    ]
    return details.top_lines(found, ended=_MOST, width=width, colour=True)


def event_lines(name: str, _: int) -> list[str]:
    found = [
        event for event in msgspec.to_builtins(client.events()) if event["name"] and key_of(event) == name
    ]
    return [details.event_line(event, colour=True) for event in found[-_MOST:]] or ["no events yet"]
