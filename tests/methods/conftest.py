"""What the tests of methods that are processes share: children with a ledger, and proof that nothing is left."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kfw.system.ledger import Ledger
from kfw.system.process import Children
from tests.stubs import Stubs


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


@pytest_asyncio.fixture
async def children(ledger: Ledger) -> AsyncIterator[Children]:
    """By its end the test must have ended what it started."""
    made = Children(ledger)
    yield made
    left = ledger.entries()
    await made.stop_all(0)
    assert left == []


@pytest.fixture
def stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stubs:
    return Stubs(tmp_path, monkeypatch)
