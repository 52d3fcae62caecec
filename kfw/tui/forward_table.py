"""The table of forwards as a widget. It draws only the lines that are in the window, and again only those that changed:
Textual's DataTable measures every cell at each change, and has no columns that give way to each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from kfw.tui.arrangement import GroupLine, Line
from kfw.tui.rows import LiveForward
from kfw.tui.table_columns import GAP, RIGHT, Column, cell, column_at, columns, stale_cell

#: What is drawn of a line: its columns' texts, whether it is the selected one, and its status.
Drawn = tuple[Any, ...]

_STATUSES = (
    "starting", "active", "degraded", "reconnecting", "suspended", "error", "stopped", "disabled",
)  # fmt: skip


class ForwardTable(ScrollView, can_focus=True):
    """`show` what stands on its lines. The selected forward stays the selected one wherever it moves."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header", "table--group", "table--selected", "table--rate", "table--note",
        *(f"table--{status}" for status in _STATUSES),
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "First", show=False),
        Binding("end,G", "edge(1)", "Last", show=False),
    ]

    class SelectionMoved(Message):
        """`name` is the selected forward now, "" where there is none."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class DoubleClicked(Message):
        """A double click."""

    class HeaderClicked(Message):
        def __init__(self, title: str) -> None:
            super().__init__()
            self.title = title

    def __init__(self) -> None:
        super().__init__(id="table")
        self.selected = ""
        self.sort, self.reverse = "", False
        self.empty = ""  # what stands there instead of lines
        self.is_stale = False  # nobody says any more what they are
        self._lines: Sequence[Line] = ()
        self._notes: dict[str, str] = {}
        self._columns: list[Column] = []
        self._drawn: dict[int, Drawn] = {}
        self._looks: dict[str, Style] = {}

    def show(self, lines: Sequence[Line], notes: dict[str, str], *, sort: str, reverse: bool) -> None:
        """`notes`: what is to be said of forwards, by name. `sort` is the title of a column, or ""."""
        place = self._place()
        self._lines, self._notes, self.sort, self.reverse = lines, notes, sort, reverse
        self._arrange_columns()
        if self.virtual_size.height != len(lines) + 1:
            self.virtual_size = Size(self._width, len(lines) + 1)
            self.refresh()
        if self._place() is None:
            self._select_near(place or 0)
        self.refresh_changed()

    def refresh_changed(self) -> None:
        """Draw again what is not on the screen as it is now: also ages, which change by themselves."""
        now = time.time()
        for y in range(self.size.height):
            if self._drawn.get(y) != self._to_draw(y, now):
                self.refresh(Region(0, y, self._width, 1))

    def select(self, name: str) -> None:
        if name == self.selected:
            return
        self.selected = name
        self._scroll_to_selected()
        self.refresh_changed()
        self.post_message(self.SelectionMoved(name))

    def render_line(self, y: int) -> Strip:
        drawn = self._to_draw(y, time.time())
        self._drawn[y] = drawn
        return self._strip(drawn).adjust_cell_length(self._width, self._look(""))

    def action_move(self, step: int) -> None:
        place = self._place()
        self._select_near((place if place is not None else 0) + step, step)

    def action_page(self, direction: int) -> None:
        place = self._place() or 0
        self._select_near(place + direction * max(self.size.height - 2, 1), direction)

    def action_edge(self, direction: int) -> None:
        self._select_near(0 if direction < 0 else len(self._lines) - 1, -direction)

    def on_resize(self) -> None:
        self._arrange_columns()
        self._drawn.clear()
        self.call_after_refresh(self._scroll_to_selected)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._looks.clear()
        self._drawn.clear()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            if title := column_at(self._columns, event.x):
                self.post_message(self.HeaderClicked(title))
            return
        line = self._line_at(event.y)
        if isinstance(line, LiveForward):
            self.select(line.name)
            if event.chain == 2:
                self.post_message(self.DoubleClicked())

    @property
    def _width(self) -> int:
        """Columns beside the scrollbar."""
        return self.scrollable_content_region.width

    def _arrange_columns(self) -> None:
        forwards = [line for line in self._lines if isinstance(line, LiveForward)]
        shown = columns(forwards, self._width, has_notes=bool(self._notes))
        if shown != self._columns:
            self._columns = shown
            self._drawn.clear()
            self.refresh()

    def _place(self) -> int | None:
        """The line of the selected one."""
        for place, line in enumerate(self._lines):
            if isinstance(line, LiveForward) and line.name == self.selected:
                return place
        return None

    def _select_near(self, place: int, direction: int = 1) -> None:
        """A forward at `place`, or the next one in `direction`, or the last one before that."""
        places = [at for at, line in enumerate(self._lines) if isinstance(line, LiveForward)]
        if not places:
            self.select("")
            return
        beyond = [at for at in places if (at >= place if direction > 0 else at <= place)]
        found = min(beyond, default=places[-1]) if direction > 0 else max(beyond, default=places[0])
        line = self._lines[found]
        if isinstance(line, LiveForward):
            self.select(line.name)

    def _scroll_to_selected(self) -> None:
        place = self._place()
        if place is None:
            return
        top, height = self.scroll_offset.y, max(self.size.height - 1, 1)
        # The heading above the first forward is to be seen as well.
        first = place - 1 if place and isinstance(self._lines[place - 1], GroupLine) else place
        if first < top:
            self.scroll_to(y=first, animate=False)
        elif place >= top + height:
            self.scroll_to(y=place - height + 1, animate=False)

    def _line_at(self, y: int) -> Line | None:
        """Of the widget's line `y`, below the header."""
        place = y - 1 + self.scroll_offset.y
        return self._lines[place] if 0 <= place < len(self._lines) else None

    def _to_draw(self, y: int, now: float) -> Drawn:
        if y == 0:
            return ("header", *self._columns, self.sort, self.reverse)
        line = self._line_at(y)
        if line is None:
            return ("empty", self.empty if y == 2 and not self._lines else "")
        if isinstance(line, GroupLine):
            return ("group", line)
        if self.is_stale:
            texts = tuple(stale_cell(line, column) for column in self._columns)
            return ("forward", line.name == self.selected, "stopped", *texts)
        note = self._notes.get(line.name, "")
        texts = tuple(cell(line, column, now, note) for column in self._columns)
        return ("forward", line.name == self.selected, line.row["status"], *texts)

    def _strip(self, drawn: Drawn) -> Strip:
        match drawn:
            case ("header", *_):
                return self._header_strip()
            case ("empty", text):
                return Strip([Segment(f"  {text}", self._look("note"))])
            case ("group", group):
                well = "" if group.well == group.below else f", {group.below - group.well} unhealthy"
                return Strip([Segment(f"{group.title}  {group.below}{well}", self._look("group"))])
            case (_, selected, status, *texts):
                return self._forward_strip(selected, status, texts)
        raise AssertionError(drawn)

    def _header_strip(self) -> Strip:
        look = self._look("header")
        segments = []
        for column in self._columns:
            arrow = (("▼" if self.reverse else "▲") if column.title == self.sort else "")[: column.width]
            title = set_cell_size(column.title, min(column.width - len(arrow), len(column.title))) + arrow
            title = title.rjust(column.width) if column.title in RIGHT else title
            segments.append(Segment(set_cell_size(title, column.width + GAP), look))
        return Strip(segments).adjust_cell_length(self._width, look)

    def _forward_strip(self, selected: bool, status: str, texts: Sequence[str]) -> Strip:
        looks = {"STATUS": self._look(status), "RATE": self._look("rate"), "NOTE": self._look("note")}
        plain = self._look(status if status in ("stopped", "disabled") else "")
        over = self._look("selected") if selected else None
        segments = []
        for column, text in zip(self._columns, texts, strict=True):
            look = looks.get(column.title, plain)
            if over is not None:  # its colours are chosen for the background of the others
                look = over
            segments.append(Segment(_fit(text, column.width) + " " * GAP, look))
        return Strip(segments).adjust_cell_length(self._width, over or plain)

    def _look(self, name: str) -> Style:
        """Of a component class; "" is the table itself."""
        found = self._looks.get(name)
        if found is None:
            found = self.get_component_rich_style(f"table--{name}") if name else self.rich_style
            self._looks[name] = found
        return found


def _fit(text: str, width: int) -> str:
    """Cut with an ellipsis, or filled up. Some characters take two columns, which len() does not know."""
    if len(text) > width or not text.isascii():
        fitted = set_cell_size(text, width)
        return fitted if fitted.rstrip() == text.rstrip() else f"{set_cell_size(text, width - 1)}…"
    return text.ljust(width)
