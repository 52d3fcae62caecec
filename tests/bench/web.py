"""The page of `kfw web` in headless Chromium, which is Debian's: how large it is, how soon there is something on it, and
whether it keeps up. The API behind it is a stub, so that only the page is measured."""

import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from tests.bench.row import Config, Row, row
from tests.real.rig import ROOT
from tests.web.browser import chromium, somebody, tab
from tests.web.stub_daemon import StubDaemon, forward

#: Changes a second while 300 rows are looked at.
RATE = 2.0
#: Seconds from which on a growth is more than noise.
LONG_ENOUGH = 1800.0
BUILD = ROOT / "build"
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
#: Milliseconds between two frames, until they are asked for.
_FRAMES = """() => {
  window.gaps = []; let last = performance.now();
  const frame = (now) => { window.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""


def rows(config: Config) -> list[Row]:
    if config.minutes:
        with chromium() as browser:
            return over_time(browser, config.minutes * 60)
    rounds, seconds = (3, 10.0) if config.short else (9, 60.0)
    with chromium() as browser:
        paints = [_first_paint(browser) for _ in range(rounds)]
        with _live(browser, 300) as (daemon, page):
            still = _frames(page, seconds / 2)
            with _changing(daemon, 300):
                gaps = _frames(page, seconds)
            growth = _heap_growth(daemon, page, seconds)
        size = _size(browser)
    slowest = statistics.quantiles(still, n=1000)[-1]
    return [
        row("kfw web: the whole page", size / 1000, "kB", "< 60"),
        row("kfw web: first paint, 10 forwards", statistics.median(paints), "ms", "< 300"),
        row(
            "kfw web: 300 rows, 2 changes a second, frames of more than 50 ms", _late(gaps), "in 1000", "< 2"
        ),
        row(
            "kfw web: 300 rows, 2 changes a second, longest frame but one in 1000, than while nothing changes",
            statistics.quantiles(gaps, n=1000)[-1],
            "ms",
            than=slowest,
        ),
        row("kfw web: heap that 1,000 changes of 300 rows leave behind", growth / 1e6, "MB", "< 1"),
    ]


def _first_paint(browser: Browser) -> float:
    with StubDaemon(*(forward(f"svc-{n}") for n in range(10))).serving() as daemon, somebody(browser) as who:
        page = tab(who, daemon.link())
        page.locator(".row").first.wait_for()
        return float(page.evaluate(_PAINT))


def _size(browser: Browser) -> float:
    """Bytes of all that the page is made of, as it comes."""
    with StubDaemon(forward("api")).serving() as daemon, somebody(browser) as who:
        sizes: list[int] = []
        who.on("response", lambda answer: sizes.append(len(answer.body())) if _is_file(answer.url) else None)
        tab(who, daemon.link()).locator(".row").wait_for()
        return float(sum(sizes))


def _is_file(url: str) -> bool:
    return "/v1/" not in url and "/login" not in url


@contextmanager
def _live(browser: Browser, count: int) -> Iterator[tuple[StubDaemon, Page]]:
    forwards = [forward(f"svc-{n}") for n in range(count)]
    with StubDaemon(*forwards).serving() as daemon, somebody(browser) as who:
        page = tab(who, daemon.link())
        page.locator(".row").nth(count - 1).wait_for()
        yield daemon, page


@contextmanager
def _changing(daemon: StubDaemon, count: int) -> Iterator[None]:
    stop = threading.Event()

    def change() -> None:
        turn = 0
        while not stop.wait(1 / RATE):
            turn += 1
            _change(daemon, turn, count)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def over_time(browser: Browser, seconds: float) -> list[Row]:
    """What an open page takes, at intervals. Two heap snapshots, which DevTools compares, are in build: of the beginning and
    of the end."""
    with _live(browser, 300) as (daemon, page):
        for turn in range(600):  # each row has changed, to and fro: what that needs once is there
            _change(daemon, turn, 300)
        page.get_by_text("change 599", exact=True).wait_for(state="attached")
        _save_snapshot(page, "web-first.heapsnapshot")
        with _changing(daemon, 300):
            samples = list(_samples(page, seconds))
        _save_snapshot(page, "web-last.heapsnapshot")
    times, heaps, nodes, listeners = zip(*samples, strict=True)
    begun = len(samples) // 3  # the engine compiles and caches for a while
    an_hour = statistics.linear_regression(times[begun:], heaps[begun:]).slope * 3600
    bound = seconds >= LONG_ENOUGH
    what = "kfw web: open with 300 rows, 2 changes a second: "
    return [
        row(f"{what}heap that an hour adds", an_hour / 1e6, "MB", "< 1" if bound else ""),
        row(f"{what}heap that 24 hours would add", an_hour * 24 / 1e6, "MB", "< 24" if bound else ""),
        row(f"{what}heap at the end, than at first", heaps[-1] / 1e6, "MB", than=heaps[0] / 1e6),
        row(f"{what}DOM nodes at the end, than at first", nodes[-1], "", "< 1.05x", than=nodes[0]),
        row(
            f"{what}event listeners at the end, than at first",
            listeners[-1],
            "",
            "< 1.05x",
            than=listeners[0],
        ),
    ]


def _samples(page: Page, seconds: float) -> Iterator[tuple[float, float, int, int]]:
    """Seconds since the beginning; bytes of the heap, DOM nodes and event listeners, each after a garbage collection."""
    began, interval = time.monotonic(), max(seconds / 30, 2.0)
    for number in range(round(seconds / interval) + 1):
        time.sleep(max(began + number * interval - time.monotonic(), 0))
        at, heap = time.monotonic() - began, _heap(page)
        session = page.context.new_cdp_session(page)
        counts = session.send("Memory.getDOMCounters")
        session.detach()
        line = f"   {at:6.0f} s  {heap / 1e6:.3f} MB  {counts['nodes']} nodes, {counts['jsEventListeners']} listeners"
        print(line, file=sys.stderr, flush=True)
        yield at, heap, counts["nodes"], counts["jsEventListeners"]


def _save_snapshot(page: Page, name: str) -> None:
    BUILD.mkdir(exist_ok=True)
    pieces: list[str] = []
    session = page.context.new_cdp_session(page)
    session.on("HeapProfiler.addHeapSnapshotChunk", lambda piece: pieces.append(piece["chunk"]))
    session.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    session.detach()
    (BUILD / name).write_text("".join(pieces), encoding="utf-8")


def _change(daemon: StubDaemon, turn: int, count: int) -> None:
    """Each row in its turn, to and fro; every other one the other way, so that the page is always about as full."""
    status = "reconnecting" if (turn // count + turn) % 2 == 0 else "active"
    daemon.say(forward(f"svc-{turn * 7 % count}", status, message=f"change {turn}"))


def _frames(page: Page, seconds: float) -> list[float]:
    page.evaluate(_FRAMES)
    time.sleep(seconds)
    found: list[float] = page.evaluate("window.gaps")
    return found


def _late(gaps: list[float]) -> float:
    return 1000 * sum(gap > 50 for gap in gaps) / len(gaps)


def _heap_growth(daemon: StubDaemon, page: Page, seconds: float) -> float:
    """Bytes: after a garbage collection, than before."""
    before = _heap(page)
    for turn in range(1000):
        _change(daemon, turn, 300)
        time.sleep(seconds / 2000)
    page.get_by_text("change 999", exact=True).wait_for(state="attached")
    return _heap(page) - before


def _heap(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return float(used)
