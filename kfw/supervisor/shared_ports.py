"""What projects have word for word as another project's row, whose port serves all of them. Pure."""

from collections.abc import Iterable, Mapping

from kfw.names import RowId


class SharedPorts:
    """Rows that are none of their own: each with the row that serves it."""

    def __init__(self) -> None:
        self._holders: dict[RowId, RowId] = {}

    def items(self) -> list[tuple[RowId, RowId]]:
        return list(self._holders.items())

    def holder(self, row: RowId) -> RowId:
        """The row that serves it; a row that is one serves itself."""
        return self._holders.get(row, row)

    def add(self, shared: Mapping[RowId, RowId]) -> None:
        self._holders |= shared

    def remove(self, rows: Iterable[RowId]) -> list[RowId]:
        """These are not wanted any more. Returns those that were shared."""
        return [row for row in rows if self._holders.pop(row, None)]

    def move(self, holder: RowId, new: RowId) -> None:
        """The row has another id from now on, which may have been a shared one."""
        self._holders.pop(new, None)
        self._holders = {row: new if one == holder else one for row, one in self._holders.items()}

    def end(self, holders: Iterable[RowId]) -> list[tuple[RowId, RowId]]:
        """These rows serve nobody any more. Returns whom they have served, each with the row."""
        gone = set(holders)
        left = [(row, holder) for row, holder in self._holders.items() if holder in gone]
        self.remove(row for row, _ in left)
        return left
