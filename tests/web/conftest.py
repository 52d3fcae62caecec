"""One browser for all tests of the page; each test is somebody else in it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.web.browser import chromium, somebody


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def ada(browser: Browser) -> Iterator[BrowserContext]:
    with somebody(browser) as who:
        yield who
