"""Notices on the desktop: few, never in the way, and by a program that may be missing, slow or broken."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kfw.errors import KfwError
from kfw.extras.notify import INTERVAL, LIMIT, LONGEST, SETTLE, Notice, Notifier, Outages, command_line, show
from kfw.model import Status
from kfw.protocol import ForwardStatus
from tests.daemon.test_counters import status as of
from tests.fakes import FakeClock, settle
from tests.until import until

ACTIVE, LOST, STOPPED = Status.ACTIVE, Status.RECONNECTING, Status.STOPPED


def status(now: Status, name: str = "api", context: str = "dev", message: str = "") -> ForwardStatus:
    import msgspec

    return msgspec.structs.replace(of(now, name), context=context, message=message)


class Heard:
    """Outages on a clock, and all notices in order."""

    def __init__(self) -> None:
        self.outages = Outages()
        self.now = 1000.0
        self.notices: list[Notice] = []

    def hear(self, now: Status, name: str = "api", context: str = "dev", message: str = "") -> None:
        notice = self.outages.hear("status", status(now, name, context, message), self.now)
        self.notices += [notice] if notice else []

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.notices += self.outages.due(self.now)

    @property
    def titles(self) -> list[str]:
        return [notice.title for notice in self.notices]


def test_FR_MON_04_an_outage_of_a_cluster_is_one_notice_and_its_end_is_one() -> None:
    heard = Heard()
    names = [f"f{number}" for number in range(20)]
    for name in names:
        heard.hear(ACTIVE, name)
    for name in names:
        heard.hear(LOST, name, message="connection refused")
        heard.wait(0.01)
    assert heard.titles == []
    heard.wait(SETTLE)
    heard.wait(1000)
    assert heard.notices == [
        Notice("kfw: 20 of dev are down", "20 (f0, f1, f2, f3, f4, ...): connection refused")
    ]
    for name in names:
        heard.hear(ACTIVE, name)
    assert heard.titles[1:] == ["kfw: dev is back"]
    assert heard.outages.next_due() is None


def test_what_heals_by_itself_at_once_is_not_told() -> None:
    heard = Heard()
    for _ in range(50):
        heard.hear(ACTIVE)
        heard.wait(1)
        heard.hear(LOST)
        heard.wait(SETTLE - 1)
    heard.hear(ACTIVE)
    assert heard.titles == []


def test_a_cluster_that_comes_and_goes_is_told_once_a_minute() -> None:
    heard = Heard()
    for _ in range(int(600 / 10)):
        heard.hear(ACTIVE)
        heard.wait(2)
        heard.hear(LOST)
        heard.wait(8)
    losses = [title for title in heard.titles if title.endswith("down")]
    assert 2 <= len(losses) <= 600 / INTERVAL + 1


def test_two_clusters_are_told_apart() -> None:
    heard = Heard()
    for context in ("dev", "prod"):
        heard.hear(ACTIVE, f"api-{context}", context)
        heard.hear(LOST, f"api-{context}", context)
    heard.wait(SETTLE)
    assert heard.titles == ["kfw: 1 of dev is down", "kfw: 1 of prod is down"]
    heard.hear(ACTIVE, "api-prod", "prod")
    assert heard.titles[2:] == ["kfw: prod is back"]


@pytest.mark.parametrize("end", [STOPPED, Status.DISABLED])
def test_what_the_user_stops_is_neither_lost_nor_back(end: Status) -> None:
    heard = Heard()
    heard.hear(ACTIVE)
    heard.hear(end)
    heard.wait(100)
    heard.hear(ACTIVE)
    heard.hear(LOST)
    heard.hear(end)
    heard.wait(100)
    assert heard.titles == []


def test_what_never_served_is_not_lost() -> None:
    heard = Heard()
    for now in (Status.STARTING, Status.ERROR, LOST, Status.SUSPENDED):
        heard.hear(now)
    heard.wait(100)
    assert heard.titles == []


def test_the_words_of_others_have_an_end() -> None:
    heard = Heard()
    heard.hear(ACTIVE)
    heard.hear(LOST, message="x" * 5000)
    heard.wait(SETTLE)
    assert len(heard.notices[0].body) == LONGEST


# -- the program


def stub(folder: Path, name: str = "notify-send", then: str = "") -> dict[str, str]:
    """It writes down its arguments, a JSON list a line. The environment in which it is found."""
    program = folder / name
    program.write_text(
        f"#!{sys.executable}\nimport json, sys, time\n"
        f"open({str(folder / 'said')!r}, 'a').write(json.dumps(sys.argv[1:]) + chr(10))\n{then}\n"
    )
    program.chmod(0o700)
    return {"PATH": str(folder), "DISPLAY": ":0"}


def said(folder: Path) -> list[list[str]]:
    file = folder / "said"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@asynccontextmanager
async def notifying(environ: dict[str, str]) -> AsyncIterator[tuple[Notifier, FakeClock]]:
    clock = FakeClock()
    notifier = Notifier(clock, environ)  # type: ignore[arg-type]
    running = asyncio.create_task(notifier.run())
    await settle()
    try:
        yield notifier, clock
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def lose(notifier: Notifier, clock: FakeClock, message: str = "") -> None:
    notifier.hear("status", status(ACTIVE))
    notifier.hear("status", status(LOST, message=message))
    await settle()
    await clock.advance(SETTLE + 1)


@pytest.mark.asyncio
async def test_FR_MON_04_the_program_is_called_once_for_a_loss_and_once_for_the_end(tmp_path: Path) -> None:
    async with notifying(stub(tmp_path)) as (notifier, clock):
        await lose(notifier, clock, "a <b> & $(rm -rf) --help")
        await until(lambda: len(said(tmp_path)) == 1, 60)
        notifier.hear("status", status(ACTIVE))
        await until(lambda: len(said(tmp_path)) == 2, 60)
    assert said(tmp_path) == [
        ["--app-name=kfw", "--", "kfw: 1 of dev is down", "api: a &lt;b&gt; &amp; $(rm -rf) --help"],
        ["--app-name=kfw", "--", "kfw: dev is back", "api is active again"],
    ]


@pytest.mark.asyncio
async def test_FR_MON_04_a_program_that_fails_is_only_logged(tmp_path: Path) -> None:
    environ = stub(tmp_path, then="sys.exit(3)")
    with pytest.raises(KfwError, match="notify-send ended with code 3"):
        await show(Notice("a", "b"), environ)
    async with notifying(environ) as (notifier, clock):
        await lose(notifier, clock)
        notifier.hear("status", status(ACTIVE))
        await until(lambda: len(said(tmp_path)) == 3, 60)


@pytest.mark.asyncio
async def test_FR_MON_04_a_program_that_hangs_makes_nobody_wait_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfw.extras.notify.LIMIT", 1.0)
    assert LIMIT <= 5
    environ = stub(tmp_path, then="time.sleep(60)")
    async with notifying(environ) as (notifier, clock):
        began = time.monotonic()
        for _ in range(1000):
            notifier.hear("status", status(ACTIVE))
            notifier.hear("status", status(LOST))
        assert time.monotonic() - began < 5
        await clock.advance(SETTLE + 1)
    with pytest.raises(KfwError, match="has not ended within 1 s"):
        await show(Notice("a", "b"), environ)


def test_without_a_display_or_a_program_nothing_is_run(tmp_path: Path) -> None:
    environ = stub(tmp_path)
    notice = Notice("title", "body")
    assert command_line(notice, environ, "linux") is not None
    assert command_line(notice, {**environ, "DISPLAY": ""}, "linux") is None
    assert command_line(notice, {**environ, "DISPLAY": "", "WAYLAND_DISPLAY": "w"}, "linux") is not None
    assert command_line(notice, {**environ, "PATH": str(tmp_path / "none")}, "linux") is None
    assert command_line(notice, environ, "darwin") is None


def test_osascript_gets_the_words_as_arguments_and_not_as_a_script(tmp_path: Path) -> None:
    environ = stub(tmp_path, "osascript")
    found = command_line(Notice('t"', 'b" & do shell script "x"'), environ, "darwin")
    assert found is not None
    assert found[-2:] == ['t"', 'b" & do shell script "x"']
    assert all("shell" not in word for word in found[:-1])
