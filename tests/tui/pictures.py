"""Pictures of the app for the docs, drawn by the app itself. After a change: python -m tests.tui.pictures"""

import asyncio
import html
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from kfw.commands._tui_caller import caller
from kfw.tui.app import TuiApp
from kfw.tui.caller import Look
from tests.client.fake_daemon import answer, home, row
from tests.tui.live_daemon import LiveDaemon
from tests.tui.screens import Window, window

DOCS = Path(__file__).parents[2] / "docs"
#: The size of a window in which all columns have room.
SIZE = (156, 25)
_UP = 7_400.0
#: Seconds since 1970; in the pictures it is always then.
_NOW = 1_796_000_000.0


def at(seconds_ago: float) -> str:
    return datetime.fromtimestamp(_NOW - seconds_ago, UTC).isoformat()


def forwards() -> list[dict[str, Any]]:
    """Two clusters, one of which cannot be reached, and two forwards that need somebody."""
    out = {"reason": "cluster-unreachable", "message": "connect: connection refused", "context": "staging"}
    rest = [
        row("grafana", url="http://localhost:3000", localPort=3000, type="web", target="service/grafana", method="tunnel"),
        row("api", url="http://localhost:8080", connections=3, target="service/api", targetPort="http"),
        row("db", url=None, localPort=5432, target="statefulset/db", targetPort=5432, connections=2, method="tunnel"),
        row("redis", "reconnecting", localPort=6379, targetPort=6379, reason="no-ready-pod", message="no ready pod"),
        row("gateway", "error", localPort=8443, reason="port-in-use", message="nginx (pid 41) has it", targetPort=443),
        row("queue", "starting", localPort=5672, targetPort=5672, method="tunnel"),
        row("cart", "suspended", localPort=9001, **out),
        row("search", "suspended", localPort=9002, **out),
        row("mail", "degraded", url=None, localPort=1025, reason="unhealthy", message="it closes each connection at once"),
        row("old-api", "disabled", localPort=9090),
    ]  # fmt: skip
    ages = (_UP, _UP, 312, 9, 4_200, 1, 131, 131, 63, 90_000)
    return [one | {"since": at(age)} for one, age in zip(rest, ages, strict=True)]


def traffic(second: int, total: dict[str, int]) -> dict[str, Any]:
    samples = [
        {"name": name, "connections": 3 if name == "api" else 2, "bytesIn": count, "bytesOut": count // 9}
        for name, count in total.items()
    ]
    moment = datetime.fromtimestamp(second, UTC).isoformat()
    return {"seq": 1, "time": moment, "type": "traffic", "name": None, "message": "", "traffic": samples}


@asynccontextmanager
async def scene(theme: str) -> AsyncIterator[Window]:
    """The app before a daemon that says all this, after ten seconds of traffic."""
    always_then = patch.object(time, "time", lambda: _NOW)
    with home() as folder, always_then, patch.dict(os.environ, {"KUBECONFIG": "/nowhere"}):
        daemon = LiveDaemon(folder / "run" / "kfw.sock")
        daemon.forwards = forwards()
        daemon.replies["GET /v1/forwards/api/explain"] = answer(explanation(daemon.forwards[1]))
        async with window(TuiApp(caller(), Look(theme=theme)), size=SIZE) as shown:
            await shown.wait_for("grafana", "staging: cannot be reached")
            daemon.wait_for_follower()
            total = {"api": 0, "db": 0}
            for second, burst in enumerate((0, 3, 5, 4, 9, 14, 11, 7, 12, 16, 13)):
                total = {"api": total["api"] + burst * 90_000, "db": total["db"] + burst % 5 * 40_000}
                daemon.send(traffic(second, total))
            await shown.wait_for("1.4 MB/s")
            yield shown
        daemon.close()


def explanation(forward: dict[str, Any]) -> dict[str, Any]:
    return {
        "forward": forward,
        "candidates": [
            {"method": "nodeport", "chosen": True, "why": "goes to node dev-worker:30080"},
            {"method": "tunnel", "chosen": False, "why": "could be used, but one before it works"},
            {"method": "socat", "chosen": False, "why": "could be used: set method: socat"},
        ],
        "limits": [
            "the cluster itself balances over pods, so kfw does not know which pod serves a connection"
        ],
        "roundTripMs": 0.4,
        "wanted": "`kfw up` in ~/shop",
        "origins": [{"key": "localPort", "value": "8080", "origin": "project kfw.yaml:4"}],
    }


async def draw(name: str) -> str:
    """The SVG of one of PICTURES."""
    theme, keys, sign = PICTURES[name]
    async with scene(theme) as shown:
        await shown.press(*keys)
        await shown.wait_for(sign)
        return shown.app.export_screenshot(title="kfw tui")


#: Theme, keys, and what is then on the screen.
PICTURES = {
    "tui.svg": ("dark", ("g", "g", "g", "down"), "staging  2, 2 unhealthy"),
    "tui-details.svg": ("light", ("down", "enter"), "goes to node dev-worker:30080"),
    "tui-help.svg": ("high-contrast", ("question_mark",), "Copy as command"),
}


def words(svg: str) -> list[str]:
    """What stands in the picture, without how it looks."""
    found = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    return [html.unescape(text).replace("\xa0", " ").strip() for text in found]


if __name__ == "__main__":
    for name in PICTURES:
        (DOCS / name).write_text(asyncio.run(draw(name)) + "\n")
