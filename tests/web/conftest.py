"""One browser for the tests of a file; each test is somebody else in it. Those without a browser do not import one.

Playwright keeps a loop running in its thread, so nothing of asyncio could be tested beside it: a browser ends with its file.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    from tests.web.browser import chromium

    with chromium() as one:
        yield one


@pytest.fixture
def ada(browser: "Browser") -> "Iterator[BrowserContext]":
    from tests.web.browser import somebody

    with somebody(browser) as who:
        yield who
