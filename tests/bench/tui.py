"""The terminal app on a terminal of 120 by 40: how soon it is there, and what it costs while rows change. The daemon is a
stub, so that only the app is measured."""

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.processes import memory, processor_share
from tests.bench.row import Config, Row, row
from tests.client.fake_daemon import home
from tests.client.fake_daemon import row as forward
from tests.tui.live_daemon import LiveDaemon

#: Seconds until what must come has come.
_LIMIT = 30.0


class Screen:
    """The program's terminal: keeps when which bytes came."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            env = os.environ | {"TERM": "xterm-256color"}
            os.execve(sys.executable, [sys.executable, "-m", "kfw", "tui"], env)
        self._came: list[tuple[float, bytes]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def time_of(self, sign: bytes) -> float:
        """Seconds from the start until this was written."""
        end = time.perf_counter() + _LIMIT
        while time.perf_counter() < end:
            seen = b""
            for at, data in list(self._came):
                seen += data
                if sign in seen:
                    return at - self.began
            time.sleep(0.01)
        raise AssertionError(f"{sign!r} was never on the screen")

    def key(self, key: bytes) -> float:
        """Seconds until something was drawn for it."""
        before, began = len(self._came), time.perf_counter()
        os.write(self._terminal, key)
        while len(self._came) == before and time.perf_counter() - began < _LIMIT:
            time.sleep(0.0005)
        return time.perf_counter() - began

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)

    def _read(self) -> None:
        try:
            while True:
                if select.select([self._terminal], [], [], 0.2)[0]:
                    self._came.append((time.perf_counter(), os.read(self._terminal, 65536)))
        except (OSError, ValueError):
            return


def rows(config: Config) -> list[Row]:
    return measured(short=config.short)


def measured(*, short: bool) -> list[Row]:
    rounds, seconds = (3, 8.0) if short else (9, 20.0)
    with _daemon(100) as daemon:
        pictures, frames, bare = zip(*(_start() for _ in range(rounds)), strict=True)
        with _screen() as screen:
            idle = processor_share(screen.pid, seconds)
            keys = [screen.key(b"j" if number < 40 else b"k") for number in range(80)]
            share_100 = _share_while_all_change(daemon, screen, seconds)
            rss = memory(screen.pid)
    with _daemon(300) as daemon, _screen() as screen:
        share_300 = _share_while_all_change(daemon, screen, seconds)
    return [
        row(
            "kfw tui: from exec to the forwards on the screen, than python -c pass",
            statistics.median(pictures),
            "s",
            "< 0.5",
            than=statistics.median(bare),
        ),
        row(
            "kfw tui: from exec to the app, which takes keys, than python -c pass",
            statistics.median(frames),
            "s",
            than=statistics.median(bare),
        ),
        row("kfw tui: idle with 100 forwards", idle * 100, "% of a core"),
        row("kfw tui: 100 forwards that change once a second", share_100 * 100, "% of a core", "< 5"),
        row("kfw tui: 300 forwards that change once a second", share_300 * 100, "% of a core", "< 10"),
        row("kfw tui: key to screen, p95", statistics.quantiles(keys, n=20)[-1] * 1000, "ms", "< 50"),
        row("kfw tui: memory with 100 forwards", rss, "MB", "< 90"),
    ]


def _start() -> tuple[float, float, float]:
    """Seconds to the first picture, to the app, and of a Python that does nothing."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare = time.perf_counter() - began
    with _screen() as screen:
        return screen.time_of(b"svc-000"), screen.time_of(b"? help"), bare


@contextmanager
def _screen() -> Iterator[Screen]:
    screen = Screen()
    try:
        screen.time_of(b"? help")
        time.sleep(1.0)
        yield screen
    finally:
        screen.close()


@contextmanager
def _daemon(count: int) -> Iterator[LiveDaemon]:
    with home() as folder:
        daemon = LiveDaemon(folder / "run" / "kfw.sock")
        daemon.forwards = [forward(f"svc-{number:03}") for number in range(count)]
        try:
            yield daemon
        finally:
            daemon.close()


def _share_while_all_change(daemon: LiveDaemon, screen: Screen, seconds: float) -> float:
    """Each forward has an event a second, spread over it, as they come from a daemon."""
    stop = threading.Event()

    def change() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            began = time.monotonic()
            for one in list(daemon.forwards):
                daemon.send_status(one | {"status": "degraded" if turn % 2 else "active"})
                stop.wait(max(began + 1 - time.monotonic(), 0) / len(daemon.forwards) / 2)
            stop.wait(max(began + 1 - time.monotonic(), 0))

    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    try:
        return processor_share(screen.pid, seconds)
    finally:
        stop.set()
        changing.join()


if __name__ == "__main__":
    from tests.bench.row import table

    print(f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
    print(table(measured(short="--short" in sys.argv)))
