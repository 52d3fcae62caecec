"""Who looks while `kfw restart --daemon` puts another daemon in the place of the one that runs: the page, by a plain HTTP
client, and the terminal app. What the page does in a browser is in tests/web."""

import http.client
import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.tui.tmux import KFW, terminal
from tests.whole.program import Entry, Program
from tests.whole.test_handover import STUB


@pytest.fixture
def forwards(web: Entry, ports: Callable[[int], list[int]]) -> dict[str, Entry]:
    return {name: {**web, "localPort": port} for name, port in zip(("web", "other"), ports(2), strict=True)}


class Browser:
    """A plain HTTP client of the page: it keeps its cookie, and nothing else."""

    def __init__(self, link: str) -> None:
        self.port, token = int(link.rpartition(":")[2].partition("/")[0]), link.partition("#token=")[2]
        self.login, cookie = self._ask("POST", "/login", {"token": token})
        self.cookie, self.place = cookie.partition(";")[0], self.login.get("path", "")

    def get(self, path: str) -> Any:
        return self._ask("GET", f"{self.place}/v1/{path}")[0]

    @contextmanager
    def follow(self, seq: int) -> Iterator[http.client.HTTPResponse]:
        with socket.create_connection(("127.0.0.1", self.port), 20) as sock:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.sock = sock
            path = f"{self.place}/v1/events?follow=true&since={seq}"
            connection.request("GET", path, headers={"cookie": self.cookie})
            with connection.getresponse() as answer:
                assert answer.status == 200
                yield answer

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[Any, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            headers = {"cookie": getattr(self, "cookie", ""), "content-type": "application/json"}
            headers["origin"] = f"http://127.0.0.1:{self.port}"
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return json.loads(answer.read()), answer.getheader("set-cookie") or ""


def test_the_page_goes_on_in_the_new_daemon_with_its_port_its_browsers_and_links_nobody_has_used(
    own_kfw: Program, forwards: dict[str, Entry]
) -> None:
    own_kfw.up(forwards)
    used, unused = (own_kfw("web", "--print", "--port", "0").stdout.strip() for _ in range(2))
    ada = Browser(used)
    before = ada.get("status")
    for _ in range(2):
        with ada.follow(ada.get("status")["seq"]) as stream:
            assert stream.readline() == b": connected\n"
            old = own_kfw.daemon_pid()
            own_kfw("restart", "--daemon")
            with suppress(http.client.IncompleteRead, ConnectionError):  # it is cut off, at once
                while stream.readline():
                    pass
        after = ada.get("status")
        assert after["daemon"]["pid"] == own_kfw.daemon_pid() != old
        assert [row["name"] for row in after["forwards"]] == [row["name"] for row in before["forwards"]]
        assert after["seq"] >= before["seq"]
    eve = Browser(unused)
    assert eve.get("status")["seq"] >= after["seq"]
    assert "has been used" in Browser(used).login["what"]
    assert own_kfw("web", "--print").stdout.startswith(f"http://127.0.0.1:{ada.port}/")
    own_kfw("web", "--stop")
    with pytest.raises(ConnectionRefusedError):
        ada.get("status")


def test_when_the_new_daemon_fails_at_its_last_step_the_page_stays_where_it_is(
    own_kfw: Program, forwards: dict[str, Entry], tmp_path: Path
) -> None:
    own_kfw.up(forwards)
    ada = Browser(own_kfw("web", "--print", "--port", "0").stdout.strip())
    stub = tmp_path / "python"
    stub.write_text(STUB.format(python=sys.executable, does="hello(); hear(); ready(); hear()"))
    stub.chmod(0o755)
    assert "did not take over" in own_kfw.post("/v1/handover", {"python": str(stub), "drain": 5})["what"]
    assert ada.get("status")["daemon"]["pid"] == own_kfw.daemon_pid()


def test_over_a_handover_the_terminal_app_goes_on_by_itself(
    own_kfw: Program, forwards: dict[str, Entry]
) -> None:
    own_kfw.up(forwards)
    seen: list[str] = []
    with terminal(own_kfw.home, size=(130, 40), KFW_HOME=str(own_kfw.home)) as shown:
        shown.type(f"cd {own_kfw.project}; {KFW} tui")
        shown.wait_for("2 forwards: 2 active", "? help")
        for name in ("web", "other"):
            before = own_kfw.daemon_pid()
            own_kfw("restart", "--daemon")
            assert own_kfw.daemon_pid() != before
            own_kfw("down", name)
            shown.until(lambda screen, name=name: seen.append(screen) or is_stopped(screen, name), "not told")  # type: ignore[misc, func-returns-value]
            own_kfw("up", name)
            shown.until(lambda screen: seen.append(screen) or "2 forwards: 2 active" in screen, "not back")  # type: ignore[func-returns-value]
        shown.keys("q")
    assert not [screen for screen in seen if "no daemon" in screen or "unknown" in screen]


def is_stopped(screen: str, name: str) -> bool:
    return any(line.split()[:3] == [name, "·", "stopped"] for line in screen.splitlines())
