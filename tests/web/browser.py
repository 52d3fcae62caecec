"""Chromium as Debian packages it, without a window, driven over DevTools by Playwright. Nothing is downloaded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

#: Milliseconds for what should happen at once: the machine may be busy.
PATIENCE = 60_000
#: A name that is made to point to this machine.
REBOUND = "rebound.example"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    flags = ["--no-sandbox", f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"]  # --no-sandbox: CI is root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags, timeout=PATIENCE)
        yield browser
        browser.close()


@contextmanager
def somebody(
    browser: Browser, width: int = 1100, height: int = 720, scheme: str = "light"
) -> Iterator[BrowserContext]:
    """A browser profile of its own, with cookies of its own. What its pages complain of fails the test."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    yield context
    context.close()
    assert faults == []


def tab(who: BrowserContext, url: str) -> Page:
    page = who.new_page()
    page.goto(url, wait_until="commit")
    return page


def rows(page: Page) -> dict[str, str]:
    """Status by name, as it is read."""
    found: dict[str, str] = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.row')].map((row) =>"
        " [row.querySelector('.name').textContent, row.querySelector('.word').textContent]))"
    )
    return found
