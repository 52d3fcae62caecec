"""One browser for all tests of the page; each test is somebody else in it. Those without a browser do not import one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    from tests.web.browser import chromium

    with chromium() as one:
        yield one


@pytest.fixture
def ada(browser: "Browser") -> "Iterator[BrowserContext]":
    from tests.web.browser import somebody

    with somebody(browser) as who:
        yield who
