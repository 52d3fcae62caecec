"""The quick tests first: pure ones, then those of the sandbox, then those of a real cluster."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_cost)  # a stable sort: the order within a kind is the files'


def _cost(item: pytest.Item) -> int:
    return next((cost for cost, kind in ((2, "real"), (1, "sandbox")) if item.get_closest_marker(kind)), 0)
