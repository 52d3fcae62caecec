"""The page of a forward, as a browser comes to it."""

import http.client
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.real.running import until
from tests.whole.program import Program, Row


def page_of(kfw: Program, name: str, **wanted: Any) -> Row:
    """The row, once its page is as wanted."""

    def row() -> Row | None:
        ui = kfw.status(name).get("ui") or {}
        return kfw.status(name) if ui and all(ui.get(key) == value for key, value in wanted.items()) else None

    return until(
        row, 30, lambda: f"the page of {name} is {wanted}: {kfw.status(name)}\n{kfw.log()}", pause=0.02
    )


def get(url: str, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    host = url.removeprefix("http://").strip("/")
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection(host, timeout=30)) as connection:
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, answer.read()


def port_of(url: str) -> int:
    return int(url.strip("/").rpartition(":")[2])


def is_served(url: str) -> bool:
    try:
        get(url)
    except OSError:
        return False
    return True


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists() and bool(Path(f"/proc/{pid}/cmdline").read_bytes())
