"""The quick tests first: pure ones, then those of the sandbox, then those of a real cluster. And what tests of processes
share: a ledger, children of it, and programs on PATH that are stubs."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from kfw import secret
from kfw.system.ledger import Ledger
from kfw.system.open_files import OPEN_FILES
from kfw.system.process import Children
from tests.stubs import Stubs

for _name in (
    "LC_ALL",
    "LC_CTYPE",
    "LANG",
):  # who runs the tests in the locale C would see kfw's signs in ASCII
    if os.environ.get(_name) in ("C", "POSIX"):
        del os.environ[_name]


@pytest.fixture(autouse=True)
def no_shortage_of_another_test() -> Iterator[None]:
    """A shortage of files is the process's, and remembered for some seconds."""
    yield
    OPEN_FILES._refused_at = None


@pytest.fixture(autouse=True)
def no_secret_of_another_test() -> Iterator[None]:
    """A secret is taken out of every sentence for as long as it exists, and a cycle may keep a fake token of one test, a
    plain word, for some time."""
    before = set(secret._known)
    yield
    for made in set(secret._known) - before:
        secret._known.pop(made, None)


@pytest.fixture(autouse=True)
def no_logging_of_another_test() -> Iterator[None]:
    """pytest listens at the root logger, and when a test begins at those that do not propagate: what one test leaves behind
    doubles the lines of the next, or loses them."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("kfw", "asyncio")]
    kept = {
        logger: (list(logger.handlers), logger.propagate, logger.level)
        for logger in map(logging.getLogger, {"kfw", "asyncio", *names})
    }
    raises = logging.raiseExceptions
    yield
    logging.raiseExceptions = raises
    for logger, (handlers, propagate, level) in kept.items():
        for handler in [one for one in logger.handlers if one not in handlers]:
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = propagate
        if logger.level != level:  # it forgets what all loggers have looked up
            logger.setLevel(level)


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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slow-first",
        action="store_true",
        help="begin with what takes long, so that with -n no worker has it alone at the end",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The quick ones first. A stable sort: the order within a kind is the files'."""
    items.sort(key=_cost, reverse=bool(config.getoption("slow_first")))


def _cost(item: pytest.Item) -> int:
    return next((cost for cost, kind in ((2, "real"), (1, "sandbox")) if item.get_closest_marker(kind)), 0)
