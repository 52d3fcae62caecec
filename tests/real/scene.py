"""usage: python -m tests.real.scene [--sandbox] [--cluster NAME] [--keep] [--short] [--pictures FOLDER]

Twelve forwards on two clusters, looked at in the terminal app (in tmux) and on the page (in Chromium), while pods are
replaced, an API server falls silent, and a login runs out. Each second what both show of each forward is compared with what
the daemon's events say: a status that was not so within TOLERANCE is a difference. Prints a line for each second and writes
them to build/scene/seconds.txt; of each step there is a picture of both. Exit code 1 when there was a difference.

The first cluster is the rig's, with --sandbox an embedded one; the second is an embedded one, whose login is a plugin.
"""

import argparse
import http.client
import io
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

from kfw.sandbox.manifests import default_set
from tests.real import talk
from tests.real.rig import ROOT
from tests.real.running import until
from tests.real.scene_clusters import FORWARDS, Login, Silenceable, merged, of_rig, of_sandbox
from tests.tui.tmux import KFW, Terminal, terminal
from tests.web.browser import chromium, rows, somebody, tab
from tests.whole.place import place
from tests.whole.program import Program

#: Seconds by which a screen may be late.
TOLERANCE = 1.0
#: Seconds by which a screen may know of an event before we do, who hear of it by a stream of our own.
HEARD = 0.2
#: Seconds until all is well again after a step.
RECOVERY = 90.0
BUILD = ROOT / "build" / "scene"


# -- what the daemon says, and what is shown


class Told:
    """Each forward's statuses, with the moment (time.monotonic()) from which on they hold. Of a daemon's event stream."""

    def __init__(self, program: Program) -> None:
        reply = program.ask("/v1/status")
        self._told = {row["name"]: [(0.0, str(row["status"]))] for row in reply["forwards"]}
        self._connection = http.client.HTTPConnection("kfw", timeout=60)
        self._connection.sock = socket.socket(socket.AF_UNIX)
        self._connection.sock.connect(str(program.home / "run" / "kfw.sock"))
        self._connection.request("GET", f"/v1/events?follow=true&since={reply['seq']}")
        self._thread = threading.Thread(
            target=self._follow, args=(self._connection.getresponse(),), daemon=True
        )
        self._thread.start()

    @property
    def names(self) -> Collection[str]:
        return self._told.keys()

    def between(self, name: str, begin: float, end: float) -> set[str]:
        """All that held at some moment of this time."""
        told = list(self._told[name])
        before = [status for at, status in told if at <= begin]
        return {before[-1], *(status for at, status in told if begin < at <= end)}

    def now(self) -> dict[str, str]:
        return {name: told[-1][1] for name, told in self._told.items()}

    def since(self, begin: float) -> set[str]:
        return {status for name in self.names for status in self.between(name, begin, time.monotonic())}

    def close(self) -> None:
        with suppress(OSError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._connection.close()

    def _follow(self, stream: http.client.HTTPResponse) -> None:
        with suppress(OSError, http.client.HTTPException, ValueError):
            while line := stream.readline():
                if not line.startswith(b"data: "):
                    continue
                event = json.loads(line.removeprefix(b"data: "))
                if event["type"] == "status":
                    self._told[event["name"]].append((time.monotonic(), event["forward"]["status"]))


@dataclass(frozen=True)
class Viewer:
    """`statuses` by name as they are shown now; `draw` a picture into this folder, of this name."""

    name: str
    statuses: Callable[[], Mapping[str, str]]
    draw: Callable[[Path, str], object]


def terminal_app(shown: Terminal, names: Collection[str]) -> Viewer:
    def statuses() -> dict[str, str]:
        words = (line.split() for line in shown.screen().splitlines())
        return {found[0]: found[2] for found in words if len(found) > 2 and found[0] in names}

    def draw(folder: Path, name: str) -> None:
        (folder / f"{name}-tui.svg").write_text(svg(shown.screen(escapes=True, padded=True), shown.size[0]))

    return Viewer("tui", statuses, draw)


def page_of(page: Page) -> Viewer:
    return Viewer(
        "page",
        lambda: rows(page),
        lambda folder, name: page.screenshot(
            path=folder / f"{name}-page.png", animations="disabled", full_page=True
        ),
    )


def svg(screen: str, columns: int) -> str:
    """Of what a terminal shows, with its colours."""
    from rich.ansi import AnsiDecoder
    from rich.console import Console

    console = Console(
        record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for line in AnsiDecoder().decode(screen.rstrip("\n")):  # a colour goes on over the end of its line
        console.print(line, no_wrap=True, crop=True)
    return console.export_svg(title="kfw tui") + "\n"


# -- the scene


@dataclass(frozen=True)
class Step:
    """`begin` breaks something, `end` takes it back; `tells`: statuses of which one must be told meanwhile."""

    name: str
    begin: Callable[[], object]
    end: Callable[[], object]
    seconds: float
    tells: frozenset[str] = frozenset()


@dataclass
class Record:
    """`lines`: of each second. `differences`: those that have one. `untold`: steps that nobody would have noticed."""

    lines: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


class Scene:
    """`tolerance`: seconds by which a screen may be late."""

    def __init__(
        self,
        told: Told,
        viewers: Sequence[Viewer],
        pictures: Path,
        say: Callable[[str], object],
        tolerance: float,
    ) -> None:
        self.record = Record()
        self._told = told
        self._viewers = viewers
        self._pictures = pictures
        self._say = say
        self._tolerance = tolerance
        self._began = time.monotonic()

    def play(self, step: Step) -> None:
        """Acts in a thread: who looks must not wait for what is done."""
        since = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            acting = pool.submit(step.begin)
            while not acting.done() or time.monotonic() < since + step.seconds:
                self._second(step.name)
            acting.result()
            for viewer in self._viewers:
                viewer.draw(self._pictures, f"scene-{step.name}")
            acting, since_end = pool.submit(step.end), time.monotonic()
            while not acting.done() or any(status != "active" for status in self._told.now().values()):
                self._second(f"{step.name}, over")
                assert time.monotonic() < since_end + RECOVERY, f"after {step.name} it is {self._told.now()}"
            acting.result()
        if step.tells and not step.tells & self._told.since(since):
            self.record.untold.append(f"{step.name}: nothing was told of it")

    def _second(self, step: str) -> None:
        """Compares, and waits for the rest of it."""
        begin = time.monotonic()
        wrong = [said for viewer in self._viewers for said in self._differences(viewer)]
        counts = self._told.now()
        summary = ", ".join(
            f"{list(counts.values()).count(one)} {one}" for one in sorted(set(counts.values()))
        )
        line = f"{begin - self._began:6.1f}  {step:18}  {summary:40}  {'; '.join(wrong) or '-'}"
        self.record.lines.append(line)
        self.record.differences += [line] if wrong else []
        self._say(line)
        time.sleep(max(begin + 1 - time.monotonic(), 0))

    def _differences(self, viewer: Viewer) -> list[str]:
        begin, shown = time.monotonic(), viewer.statuses()
        end = time.monotonic()
        if any(shown.get(name) != status for name, status in self._told.now().items()):
            time.sleep(HEARD)
        told = {
            name: self._told.between(name, begin - self._tolerance, end + HEARD) for name in self._told.names
        }
        return [
            f"{viewer.name} shows {name} as {shown.get(name, 'nothing')}, it is {' or '.join(sorted(right))}"
            for name, right in told.items()
            if shown.get(name) not in right
        ]


def play(
    first: Silenceable,
    *,
    short: bool,
    pictures: Path,
    say: Callable[[str], object] = lambda _: None,
    tolerance: float = TOLERANCE,
) -> Record:
    """All of it, with everything that it needs beside the first cluster."""
    pictures.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kfw-scene-")))
        login = Login(stack.enter_context(place(folder / "two", *default_set())), folder)
        program = Program(merged(folder, {"one": first.kubeconfig, "two": login.kubeconfig}))
        stack.callback(program.close)
        entries = [
            (f"{context}-{name}", context, entry)
            for context in ("one", "two")
            for name, entry in FORWARDS.items()
        ]
        ports = talk.free_ports(len(entries))
        # On a machine that is busy the first one may take longer than it may.
        until(lambda: program("start", code=None).returncode == 0, RECOVERY, program.log)
        program.up(
            {
                name: {**entry, "context": context, "localPort": port}
                for (name, context, entry), port in zip(entries, ports, strict=True)
            },
            "--timeout", "60s",
        )  # fmt: skip
        told = Told(program)
        stack.callback(told.close)
        scene = Scene(told, list(_viewers(stack, program, told.names)), pictures, say, tolerance)
        for step in steps(first, login, program, short=short):
            scene.play(step)
        return scene.record


def _viewers(stack: ExitStack, program: Program, names: Collection[str]) -> Iterator[Viewer]:
    """Once they show all forwards."""
    env = {"KFW_HOME": str(program.home), "KUBECONFIG": program.env["KUBECONFIG"], "COLORTERM": "truecolor"}
    shown = stack.enter_context(terminal(program.home, size=(150, 24), **env))
    shown.type(f"cd {program.project}; {KFW} tui")
    shown.wait_for(f"{len(names)} forwards", "? help")
    link = program("web", "--print", "--port", "0").stdout.strip()
    who = stack.enter_context(somebody(stack.enter_context(chromium()), 1100, 1000))
    page = tab(who, link)
    page.locator(".row").nth(len(names) - 1).wait_for()
    yield terminal_app(shown, names)
    yield page_of(page)


def steps(first: Silenceable, login: Login, program: Program, *, short: bool) -> Iterator[Step]:
    long = 8.0 if short else 25.0
    away = frozenset({"suspended", "reconnecting", "degraded"})
    nothing = time.monotonic
    yield Step("calm", nothing, nothing, long / 4)
    yield Step("rollout", first.rollout, nothing, long / 2)
    yield Step("api-silent", lambda: first.silence(True), lambda: first.silence(False), long, away)

    def renew() -> None:
        login.renew()
        program("retry", "--context", "two")

    yield Step("login-out", login.run_out, renew, long, frozenset({"suspended"}))
    yield Step("calm-again", nothing, nothing, long / 4)


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    BUILD.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        file = stack.enter_context((BUILD / "seconds.txt").open("w", encoding="utf-8"))
        if asked.sandbox:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kfw-scene-"))
            first = stack.enter_context(of_sandbox(Path(folder)))
        else:
            first = stack.enter_context(of_rig(asked.cluster, keep=asked.keep))

        def say(line: str) -> None:
            for out in (sys.stdout, file):
                print(line, file=out, flush=True)

        record = play(first, short=asked.short, pictures=asked.pictures, say=say)
        say(f"{len(record.lines)} seconds, {len(record.differences)} of them with a difference")
        for words in record.untold:
            say(words)
    return int(bool(record.differences or record.untold))


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.real.scene", description="What people look at, while things break."
    )
    parser.add_argument("--sandbox", action="store_true", help="the first cluster is an embedded one, too")
    parser.add_argument(
        "--cluster", default="", help="of the rig; default: kfw-scene, made for it and taken down"
    )
    parser.add_argument("--keep", action="store_true", help="do not take that cluster down")
    parser.add_argument("--short", action="store_true", help="seconds in place of half minutes")
    parser.add_argument(
        "--pictures", type=Path, help="folder for them; default: docs, with --sandbox build/scene"
    )
    asked = parser.parse_args(argv)
    of_environment = os.environ.get("KFW_CLUSTER", "")
    own = of_environment if of_environment not in ("", "kfw") else ""  # that one is shared: no faults on it
    asked.keep = asked.keep or bool(own and asked.cluster in ("", own))
    asked.cluster = asked.cluster or own or "kfw-scene"
    asked.pictures = asked.pictures or (BUILD if asked.sandbox else ROOT / "docs")
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
