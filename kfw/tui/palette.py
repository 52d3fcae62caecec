"""The command palette: every action, every sort, group and theme, by a part of its name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider

from kfw.tui.arrangement import GROUPS, SORTS
from kfw.tui.forward_actions import ForwardActions
from kfw.tui.themes import NAMES
from kfw.tui.user_actions import ALL, key_label


class PaletteEntry(NamedTuple):
    """`call`: an action of the app."""

    title: str
    help: str
    call: str


def entries(statuses: list[str], clusters: list[str], profiles: list[str]) -> Iterator[PaletteEntry]:
    """`statuses`, `clusters` and `profiles` that forwards have now."""
    for action in ALL:
        yield PaletteEntry(action.title, f"{key_label(action.keys)}  {action.help}", action.call)
    for title in SORTS:
        yield PaletteEntry(f"Sort by {title.lower()}", "again: reverse the order", f"sort('{title}')")
    for group in (*GROUPS, ""):
        yield PaletteEntry(f"Group by {group}" if group else "Do not group", "", f"group('{group}')")
    for field, values in (("status", statuses), ("cluster", clusters), ("profile", profiles)):
        for value in values:
            yield PaletteEntry(f"Show only {field} {value}", "Esc shows all", f"show_only('{field}:{value}')")
    for name in NAMES:
        yield PaletteEntry(f"Theme {name}", "", f"theme('{name}')")


class ForwardCommands(Provider):
    async def discover(self) -> Hits:
        for entry in self._entries():
            yield DiscoveryHit(entry.title, partial(self._run, entry.call), help=entry.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for entry in self._entries():
            if (score := matcher.match(entry.title)) > 0:
                yield Hit(
                    score, matcher.highlight(entry.title), partial(self._run, entry.call), help=entry.help
                )

    def _entries(self) -> Iterator[PaletteEntry]:
        assert isinstance(self.app, ForwardActions)
        rows = [forward.row for forward in self.app.forwards.by_name.values()]
        return entries(
            sorted({row["status"] for row in rows}),
            sorted({row["context"] for row in rows}),
            sorted({row["profile"] for row in rows if row.get("profile")}),
        )

    async def _run(self, call: str) -> None:
        await self.app.run_action(call)
