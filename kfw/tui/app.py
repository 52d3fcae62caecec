"""The app: what the feed says becomes lines of the table, and keys become actions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input, Static

from kfw import view
from kfw.tui import daemon_actions, summary, user_actions
from kfw.tui.arrangement import GROUPS, SORTS, ListOptions, arrange
from kfw.tui.caller import Caller, Look
from kfw.tui.detail_pane import SECTIONS, DetailPane
from kfw.tui.feed import Changed, Feed, Lost, Synced
from kfw.tui.forward_actions import ForwardActions
from kfw.tui.forward_table import ForwardTable
from kfw.tui.palette import ForwardCommands
from kfw.tui.rows import LiveForward, key_of
from kfw.tui.themes import NAMES, THEMES

#: Seconds between two pictures while much changes; the first change after a pause is shown at once.
_BUSY = 0.5
#: What an exit by Ctrl+C returns, as from every other command.
INTERRUPTED = 130
#: Seconds between two samples of what goes through, at least.
_QUICKEST_SAMPLE = 0.2
_GROUP_ORDER = ("", *GROUPS)


def _bindings() -> list[BindingType]:
    numbers = (
        Binding(str(number), f"details('{name}')", show=False) for number, name in enumerate(SECTIONS, 1)
    )
    sorts = (Binding(f"f{number}", f"sort('{title}')", show=False) for number, title in enumerate(SORTS, 1))
    actions = (Binding(one.keys, one.call, one.title, show=False) for one in user_actions.ALL)
    return [
        Binding("ctrl+c", f"quit_app({INTERRUPTED})", "Quit", show=False, priority=True),
        Binding("escape", "close_top", "Back", show=False),
        Binding("space", "details", "Details", show=False),
        Binding("K", "scroll_details(-3)", show=False),
        Binding("J", "scroll_details(3)", show=False),
        *numbers, *sorts, *actions,
    ]  # fmt: skip


class TuiApp(ForwardActions):
    """All of `kfw tui`; returns the exit code."""

    CSS_PATH = "app.tcss"
    TITLE = "kfw"
    COMMANDS: ClassVar[set[Any]] = {ForwardCommands}
    BINDINGS: ClassVar[list[BindingType]] = _bindings()

    class FeedReady(Message):
        """There is something to take."""

    def __init__(
        self, caller: Caller, look: Look | None = None, before_screen: Callable[[], object] | None = None
    ) -> None:
        """`before_screen` is called just before the app takes the terminal's screen."""
        super().__init__(caller)
        for one in THEMES:
            self.register_theme(one)
        look = look or Look()
        self.theme = look.theme if look.theme in NAMES else NAMES[0]
        self.list_options = ListOptions()
        self._look = look
        self._before_screen = before_screen
        self._feed = Feed(lambda: self.post_message(self.FeedReady()), max(look.refresh, _QUICKEST_SAMPLE))
        self._daemon: dict[str, Any] | None = None
        self._problem = ""
        self._drawn_at = 0.0
        self._is_due = False
        self._outage_count = 0
        self._notes: dict[str, str] = {}
        # Kept here: a query looks in the window on top, which may be a dialog.
        self._summary = Static(id="summary", markup=False)
        self._outages = Static(id="outages", markup=False)
        self._table = ForwardTable()
        self._note = Static(id="note", markup=False)
        self._details = DetailPane(caller)
        self._search = Input(
            placeholder="words, status:error, cluster:dev, is:bad", id="search", compact=True
        )
        self._keys = Static(id="keys", markup=False)

    @property
    def selected(self) -> str:
        return self._table.selected

    def compose(self) -> ComposeResult:
        yield self._summary
        yield self._outages
        yield self._table
        yield self._note
        yield self._details
        yield self._search
        yield self._keys

    def on_load(self) -> None:
        if self._before_screen:
            self._before_screen()

    def on_mount(self) -> None:
        self._table.focus()
        self._feed.start()
        self.set_interval(self._look.refresh, self._on_tick)
        if self._look.warning:
            self.notify(self._look.warning, severity="warning", timeout=10, markup=False)

    def on_unmount(self) -> None:
        self._feed.close()

    def on_resize(self, event: events.Resize) -> None:
        self._keys.update(user_actions.keys_line(event.size.width - 2))

    # -- what the daemon says

    def on_tui_app_feed_ready(self) -> None:
        self._draw_soon()

    def _take_news(self) -> None:
        shown = self._details.name_shown
        for news in self._feed.take():
            match news:
                case Synced(reply):
                    self.forwards.on_status(reply["forwards"])
                    self._daemon, self._problem = reply["daemon"], ""
                    self._details.load()
                case Changed(event):
                    self.forwards.on_event(event)
                    if _is_about(event, shown):
                        self._details.load()
                case Lost(error):
                    self._daemon, self._problem = None, daemon_actions.sentence(error)

    def _draw_soon(self) -> None:
        """Many changes make one picture."""
        if self._is_due:
            return
        self._is_due = True
        wait = self._drawn_at + _BUSY - time.monotonic()
        self.set_timer(max(wait, 0.02), self._draw)

    def _draw(self) -> None:
        self._is_due, self._drawn_at = False, time.monotonic()
        self._take_news()
        now = time.time()
        known = list(self.forwards.by_name.values())
        options = self.list_options
        lines = arrange(known, options)
        shown = sum(isinstance(line, LiveForward) for line in lines)
        self._notes = summary.notes(known, now)
        self._table.empty = summary.empty_line(len(known), self._problem, options.search)
        self._table.is_stale = self._daemon is None
        self._table.show(lines, self._notes, sort=options.sort, reverse=options.reverse)
        _update(self._summary, summary.summary_line(known, shown, self._daemon))
        self._draw_texts(now)

    def _on_tick(self) -> None:
        self._table.refresh_changed()
        self._draw_texts(time.time())

    def _draw_texts(self, now: float) -> None:
        known = list(self.forwards.by_name.values())
        lines = [self._problem] if self._problem else summary.outage_lines(known, now)
        if len(lines) != self._outage_count:
            self._outage_count = len(lines)
            self._outages.update("\n".join(lines))
            self._outages.set_class(bool(lines), "shown")
        else:
            _update(self._outages, "\n".join(lines))
        _update(self._note, self._notes.get(self.selected, ""))

    # -- what the user does with the list

    def on_forward_table_selection_moved(self) -> None:
        self._draw_texts(time.time())
        if self._details.is_open:
            self._show_details(self._details.section)

    def on_forward_table_double_clicked(self) -> None:
        self.action_details()

    def on_forward_table_header_clicked(self, message: ForwardTable.HeaderClicked) -> None:
        self.action_sort(message.title)

    def action_sort(self, title: str) -> None:
        """The same column again: reverse the order."""
        if title in SORTS:
            again = self.list_options.sort == title
            self._list(sort=title, reverse=again and not self.list_options.reverse)

    def action_reverse(self) -> None:
        self._list(reverse=not self.list_options.reverse)

    def action_group(self, group: str) -> None:
        self._list(group=group)

    def action_next_group(self) -> None:
        place = _GROUP_ORDER.index(self.list_options.group) + 1
        self._list(group=_GROUP_ORDER[place % len(_GROUP_ORDER)])

    def action_only_bad(self) -> None:
        self.action_show_only("" if self.list_options.search == "is:bad" else "is:bad")

    def action_show_only(self, search: str) -> None:
        self._search.value = search
        self._search.set_class(bool(search), "open")
        self._list(search=search)

    def action_search(self) -> None:
        self._search.add_class("open")
        self._search.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input is self._search:
            self._list(search=event.value.strip())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input is self._search:
            self._search.set_class(bool(event.value), "open")
            self._table.focus()

    def action_close_top(self) -> None:
        """The details, then the search."""
        if self._details.is_open and self.focused is not self._search:
            self._details.close()
        else:
            self.action_show_only("")
        self._table.focus()

    def action_details(self, section: str = "") -> None:
        if not self.selected:
            return
        if self._details.is_open and not section:
            self._details.close()
        else:
            self._show_details(section or self._details.section)

    def _show_details(self, section: str) -> None:
        row = self._row()
        self._details.show(self.selected, view.clean(view.shown(row)) if row else "", section)

    def action_scroll_details(self, lines: int) -> None:
        self._details.scroll_lines(lines)

    def _list(self, **changes: Any) -> None:
        self.list_options = replace(self.list_options, **changes)
        self._draw()

    def action_next_theme(self) -> None:
        self.action_theme(NAMES[(NAMES.index(self.theme) + 1) % len(NAMES)])

    def action_theme(self, name: str) -> None:
        self.theme = name

    def action_help(self) -> None:
        from kfw.tui.dialogs import Help

        self.push_screen(Help())

    def action_quit_app(self, code: int) -> None:
        self.exit(code)


def _is_about(event: dict[str, Any], name: str) -> bool:
    """Of traffic only what changed is told."""
    if event["type"] == "traffic":
        return any(key_of(one) == name for one in event["traffic"])
    return bool(event["name"]) and key_of(event) == name


def _update(widget: Static, text: str) -> None:
    """Without a picture where nothing changed, and without a new layout: it stays as large as it is."""
    if str(widget.content) != text:
        widget.update(text, layout=False)
