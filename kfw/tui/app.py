"""The app: what the feed says becomes lines of the table, and keys become actions."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from kfw.tui import summary
from kfw.tui.arrangement import SORTS, ListOptions, arrange
from kfw.tui.feed import Changed, Feed, Lost, Synced
from kfw.tui.forward_table import ForwardTable
from kfw.tui.rows import LiveForwards
from kfw.tui.themes import THEMES

#: Seconds between two pictures while much changes; the first change after a pause is shown at once.
_BUSY = 0.2
#: What an exit by Ctrl+C returns, as from every other command.
INTERRUPTED = 130


class TuiApp(App[int]):
    """`refresh`: seconds between two pictures of what changes by itself, as ages do."""

    CSS_PATH = "app.tcss"
    TITLE = "kfw"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit_app(0)", "Quit"),
        Binding("ctrl+c", f"quit_app({INTERRUPTED})", "Quit", show=False, priority=True),
        Binding("R", "reverse", "Reverse"),
        *(Binding(f"f{number}", f"sort('{title}')", show=False) for number, title in enumerate(SORTS, 1)),
    ]

    class FeedReady(Message):
        """There is something to take."""

    def __init__(self, *, theme: str = "dark", refresh: float = 1.0) -> None:
        super().__init__()
        for one in THEMES:
            self.register_theme(one)
        self.theme = theme
        self._refresh_interval = refresh
        self.forwards = LiveForwards()
        self.list_options = ListOptions()
        self._feed = Feed(lambda: self.post_message(self.FeedReady()))
        self._daemon: dict[str, object] | None = None
        self._problem = ""
        self._drawn_at = 0.0
        self._is_due = False

    @property
    def selected(self) -> str:
        """The name of the forward that actions are for, "" where there is none."""
        return self.query_one(ForwardTable).selected

    def compose(self) -> ComposeResult:
        yield Static(id="summary", markup=False)
        yield Static(id="outages", markup=False)
        yield ForwardTable()
        yield Static(id="note", markup=False)
        yield Static("q quit", id="keys", markup=False)

    def on_mount(self) -> None:
        self.query_one(ForwardTable).focus()
        self._feed.start()
        self.set_interval(self._refresh_interval, self._on_tick)

    def on_unmount(self) -> None:
        self._feed.close()

    def on_tui_app_feed_ready(self) -> None:
        for news in self._feed.take():
            match news:
                case Synced(reply):
                    self.forwards.on_status(reply["forwards"])
                    self._daemon, self._problem = reply["daemon"], ""
                case Changed(event):
                    self.forwards.on_event(event)
                case Lost(error):
                    self._daemon = None
                    self._problem = f"{error.what}; {error.fix}" if error.fix else error.what
        self._draw_soon()

    def _draw_soon(self) -> None:
        """Many changes make one picture."""
        if self._is_due:
            return
        self._is_due = True
        wait = self._drawn_at + _BUSY - time.monotonic()
        self.set_timer(max(wait, 0.02), self._draw)

    def _draw(self) -> None:
        self._is_due, self._drawn_at = False, time.monotonic()
        now = time.time()
        known = list(self.forwards.by_name.values())
        options = self.list_options
        lines = arrange(known, options)
        table = self.query_one(ForwardTable)
        table.empty = "" if known and self._daemon else self._problem or "nothing is forwarded yet"
        shown = sum(1 for line in lines if line in known) if options.group else len(lines)
        table.show(lines, summary.notes(known, now), sort=options.sort, reverse=options.reverse)
        self.query_one("#summary", Static).update(summary.summary_line(known, shown, self._daemon))
        self._draw_texts(now)

    def _on_tick(self) -> None:
        self.query_one(ForwardTable).refresh_changed()
        self._draw_texts(time.time())

    def _draw_texts(self, now: float) -> None:
        outages = self.query_one("#outages", Static)
        known = list(self.forwards.by_name.values())
        lines = [self._problem] if self._problem else summary.outage_lines(known, now)
        outages.update("\n".join(lines))
        outages.set_class(bool(lines), "shown")
        self.query_one("#note", Static).update(summary.notes(known, now).get(self.selected, ""))

    def on_forward_table_selection_moved(self) -> None:
        self._draw_texts(time.time())

    def on_forward_table_header_clicked(self, message: ForwardTable.HeaderClicked) -> None:
        self.action_sort(message.title)

    def action_sort(self, title: str) -> None:
        """The same column again: the other way round."""
        if title not in SORTS:
            return
        again = self.list_options.sort == title
        reverse = not self.list_options.reverse if again else False
        self._list(sort=title, reverse=reverse)

    def action_reverse(self) -> None:
        self._list(reverse=not self.list_options.reverse)

    def _list(self, **changes: object) -> None:
        from dataclasses import replace

        self.list_options = replace(self.list_options, **changes)  # type: ignore[arg-type]
        self._draw()

    def action_quit_app(self, code: int) -> None:
        self.exit(code)
