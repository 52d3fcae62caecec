"""The picture of the page in the docs, drawn by the page itself. After a change: python -m tests.web.picture"""

import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from kfw.system.clock import rfc3339
from tests.web.browser import chromium, somebody, tab
from tests.web.stub_daemon import StubDaemon, forward

PICTURE = Path(__file__).parents[2] / "docs" / "web.png"
SIZE = (1000, 560)


def _shown() -> list[dict[str, Any]]:
    """Two clusters, and a forward in most of the states that people see."""
    now = time.time()

    def one(name: str, status: str, age: float, port: int, **more: Any) -> dict[str, Any]:
        return forward(name, status, since=rfc3339(now - age), localPort=port, configuredPort=port, **more)

    gone = "the pod api-5f7c9-x2x8k was deleted, no other one of service/api is ready yet"
    taken = "cannot listen on 8081: nginx (pid 41) has it; free it, choose another localPort, or set onPortInUse: next"
    return [
        one("web", "active", 7400, 8080, targetPort="http"),
        one("db", "active", 7400, 5432, target="statefulset/db", targetPort=5432),
        one("api", "reconnecting", 2, 9080, message=gone, nextAttemptAt=rfc3339(now + 5.5)),
        one("docs", "error", 95, 8081, reason="port-in-use", message=taken),
        one("grafana", "active", 86400 * 3, 3000, context="prod-eu", namespace="monitoring"),
        one("orders", "stopped", 600, 8090, context="prod-eu"),
    ]


def draw(browser: Browser) -> bytes:
    """The PNG."""
    with StubDaemon(*_shown()).serving() as daemon, somebody(browser, *SIZE) as who:
        page = tab(who, daemon.link())
        expect(page.locator(".row")).to_have_count(len(_shown()))
        return page.screenshot(animations="disabled")


if __name__ == "__main__":
    with chromium() as one_browser:
        PICTURE.write_bytes(draw(one_browser))
