"""docs/reliability.md from a whole run."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.real.chaos.cell import Cell


def write_page(cells: Sequence[Cell], run: Mapping[str, Any]) -> None:
    raise NotImplementedError
