"""`kfw tap` as people run it: requests through a real forward, its files, its end; and what a slow reader costs."""

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.whole.program import Entry, Program, connected
from tests.whole.test_observed import get

pytestmark = pytest.mark.sandbox


class Tapped:
    """`kfw tap` in the background, from when it reads to Ctrl+C."""

    def __init__(self, kfw: Program, *arguments: str) -> None:
        self.process = kfw.popen("tap", *arguments)
        assert self.process.stderr is not None
        self.began = self.process.stderr.readline()

    def until(self, words: str) -> None:
        """It has shown a line with these words."""
        assert self.process.stdout is not None
        limit = threading.Timer(30, self.process.kill)
        limit.start()
        assert any(words in line for line in self.process.stdout)
        limit.cancel()

    def end(self) -> tuple[str, str]:
        self.process.send_signal(signal.SIGINT)
        out, said = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, said
        return out, said


def test_requests_are_shown_as_they_come_and_kept_in_a_HAR_file(
    kfw: Program, web: Entry, port: int, tmp_path: Path
) -> None:
    kfw.up({"api": {**web, "localPort": port}})
    file = tmp_path / "api.har"
    tapped = Tapped(kfw, "api", "--har", str(file))
    assert f"reading api on port {port}" in tapped.began
    get(port, "/bytes?n=50000&token=V4LUEV4LUE")
    get(port, "/status/503")
    out, said = tapped.end()
    first, second = out.splitlines()
    assert "200" in first and "50.0 kB" in first and "GET /bytes?n=50000&token=***" in first
    assert "GET /status/503" in second
    assert "2 requests" in said and str(file) in said
    assert [one["request"]["method"] for one in json.loads(file.read_text())["log"]["entries"]] == ["GET"] * 2
    assert "V4LUE" not in out + said + file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_it_ends_by_itself_with_its_duration_and_says_JSON(kfw: Program, web: Entry, port: int) -> None:
    kfw.up({"api": {**web, "localPort": port}})
    tapped = Tapped(kfw, "api", "--json", "--duration", "4s")
    get(port, "/")
    out, _ = tapped.process.communicate(timeout=30)
    shown = [json.loads(line) for line in out.splitlines()]
    assert tapped.process.returncode == 0
    assert [(one["method"], one["status"], one["failed"]) for one in shown] == [("GET", 200, False)]


def test_a_reader_that_stands_still_holds_nobody_up(kfw: Program, web: Entry, port: int) -> None:
    kfw.up({"api": {**web, "localPort": port}})
    tapped = Tapped(kfw, "api")
    tapped.process.send_signal(signal.SIGSTOP)
    try:
        before = kfw.daemon()["rssBytes"]
        for _ in range(12):
            assert len(get(port, "/bytes?n=10000000")) == 10_000_000
        assert kfw.daemon()["rssBytes"] - before < 80e6
    finally:
        tapped.process.send_signal(signal.SIGCONT)
    tapped.until("kfw could not copy it fast enough")
    tapped.end()


def test_what_does_not_go_through_kfw_or_is_not_there_is_refused(
    kfw: Program, web: Entry, port: int, path_without: Callable[[str], str]
) -> None:
    kfw.up({"api": {**web, "localPort": port}})
    kfw("down", "api")
    refused = kfw("tap", "api", code=1)
    assert "kfw does not carry the traffic" in refused.stderr and "kfw explain api" in refused.stderr
    assert "cannot find a forward named 'nope'" in kfw("tap", "nope", code=2).stderr
    assert "--bodies" in kfw("tap", "api", "--pcap", "x.pcap", code=2).stderr


def test_a_daemon_that_ends_ends_it(own_kfw: Program, web: Entry, port: int) -> None:
    own_kfw.up({"api": {**web, "localPort": port}})
    tapped = Tapped(own_kfw, "api")
    with connected(port):
        own_kfw("stop")
        _, said = tapped.process.communicate(timeout=10)
    assert tapped.process.returncode == 3, said
