"""What kfw draws in a window of tmux, as text files beside this one, at three sizes. `make screens` writes them again.

The daemon is one that says the same each time, the cluster of `targets` a sandbox of pods with names of their own. Times are
in days and hours, so that a slow machine shows the same.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from kfw.sandbox.manifests import namespace, pod, service
from kfw.sandbox.manifests import port as service_port
from tests.client.fake_daemon import answer, home, row
from tests.tui.live_daemon import LiveDaemon
from tests.tui.tmux import KFW, Terminal, terminal
from tests.whole.place import place

pytestmark = pytest.mark.sandbox

HERE = Path(__file__).parent
SIZES = ((60, 15), (80, 24), (140, 40))
WRITES = bool(os.environ.get("KFW_WRITE_SCREENS"))
#: A forward with much to say, and one whose name and target are long.
LONG = "traces-observer-of-the-plane"
COMMANDS = {
    "status": "status",
    "status-problems": "status",
    "up": "up",
    "targets": "targets -A",
    "explain": f"explain {LONG}",
    "help": "--help",
}


def _moment(days: float) -> str:
    """So many days from now, in the middle of an hour."""
    return datetime.fromtimestamp(time.time() + days * 86400 + 1800, UTC).isoformat().replace("+00:00", "Z")


def forwards() -> list[dict[str, Any]]:
    days: dict[str, Any] = {
        "uptimeSeconds": 2 * 86400.0 + 1800,
        "since": _moment(-2.1),
        "context": "kfw-sandbox",
    }
    plane = {"namespace": "observability-plane", "localPort": 9098, "url": "http://localhost:9098"}
    return [
        row("web", localPort=9080, url="http://localhost:9080", targetPort="http", **days),
        row("db", localPort=5432, url="localhost:5432", target="statefulset/db", targetPort=5432, **days),
        row(LONG, target="service/traces-observer", **plane, **days),
    ]


def problems() -> list[dict[str, Any]]:
    """In a second cluster, as well."""
    here: dict[str, Any] = {"context": "kfw-sandbox", "since": _moment(-1.1)}
    away: dict[str, Any] = {
        "reason": "cluster-unreachable",
        "message": "connection refused",
        "context": "prod",
        "nextAttemptAt": _moment(1),
        "since": _moment(-1.1),
    }
    waits = {
        "reason": "no-ready-pod",
        "message": "the only pod of statefulset/cache is not ready: cache-0: starting",
    }
    taken = {"reason": "port-in-use", "message": "cannot listen on 8080: nginx (pid 41) has it"}
    down = {"reason": "user-stopped", "message": "stopped by the user"}
    return [
        *forwards(),
        row("orders", "suspended", localPort=9081, **away),
        row("billing", "suspended", localPort=9082, **away),
        row("cache", "reconnecting", localPort=6379, nextAttemptAt=_moment(1), **waits, **here),
        row("console", "error", **taken, **here),
        row("legacy", "stopped", localPort=9083, **down, **here),
    ]


EXPLAINED = {
    "forward": forwards()[2],
    "candidates": [
        {"method": "nodeport", "chosen": True, "why": "goes to node worker-1:30998"},
        {"method": "tunnel", "chosen": False, "why": "could be used, but one before it works"},
        {
            "method": "kubefwd",
            "chosen": False,
            "why": "cannot find kubefwd on PATH; install kubefwd and put it on PATH",
        },
    ],
    "limits": ["the cluster itself balances over pods, so kfw does not know which pod serves a connection"],
    "roundTripMs": 0.8,
    "wanted": "up, said with its project",
    "origins": [
        {"key": "target", "value": "service/traces-observer", "origin": "project kfw.yaml:8"},
        {"key": "namespace", "value": "observability-plane", "origin": "project kfw.yaml:9"},
    ],
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """With a cluster that has two namespaces, and a project."""
    folder = tmp_path_factory.mktemp("screens")
    objects = [
        each
        for where in ("observability-plane", "observability-gateway")
        for each in (
            namespace(where),
            pod(where, "traces-observer-0", ports={"http": 8080}),
            service(where, "traces-observer", service_port(9098, "http", node=31000 + len(where)),
                    selector={"app": "traces-observer-0"}),
        )
    ]  # fmt: skip
    with place(folder, *objects) as here, home() as kfw_home:
        os.environ["KUBECONFIG"] = str(here.kubeconfig)
        live = LiveDaemon(kfw_home / "run" / "kfw.sock")
        live.replies[f"GET /v1/forwards/{LONG}/explain"] = answer(EXPLAINED)
        entries = {
            one["name"]: {"target": one["target"], "localPort": one["localPort"]} for one in forwards()
        }
        (folder / "kfw.yaml").write_text(json.dumps({"portForwards": entries}))
        before = Path.cwd()
        os.chdir(folder)
        try:
            yield live
        finally:
            os.chdir(before)
            live.close()
            del os.environ["KUBECONFIG"]


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def window(
    request: pytest.FixtureRequest, daemon: LiveDaemon, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terminal]:
    with opened(request.param) as shown:
        yield shown


@contextmanager
def opened(size: tuple[int, int], **env: str) -> Iterator[Terminal]:
    """A window whose socket has a short path of its own."""
    with TemporaryDirectory(prefix="kfw-") as folder, terminal(Path(folder), size=size, **env) as shown:
        yield shown


def compare(name: str, text: str) -> None:
    """With the file, or write it."""
    file = HERE / f"{name}.txt"
    text = "\n".join(line.rstrip() for line in text.rstrip().splitlines()) + "\n"
    if WRITES:
        file.write_text(text)
    assert file.read_text() == text, f"{file.name}: `make screens` writes it again"


def typed(window: Terminal, line: str, *, escapes: bool = False) -> str:
    """What stands there afterwards, and has wrapped nothing."""
    window.clear()
    window.type(f"clear; {line}; echo EN''D")
    window.wait_for("END")
    whole, joined = window.whole(), window.whole(joined=True)
    assert whole.count("\n") == joined.count("\n"), f"something wraps:\n{whole}"
    return window.whole(escapes=escapes).partition("END")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_drawn_as_it_was(window: Terminal, daemon: LiveDaemon, name: str) -> None:
    daemon.forwards = problems() if name == "status-problems" else forwards()
    compare(f"{name}-{window.size[0]}x{window.size[1]}", typed(window, f"{KFW} {COMMANDS[name]} 2>&1"))


@pytest.mark.parametrize("name", ["watch", "tui"])
def test_what_stays_is_drawn_as_it_was(window: Terminal, daemon: LiveDaemon, name: str) -> None:
    daemon.forwards = problems()
    window.clear()
    window.type(f"{KFW} {'tui' if name == 'tui' else 'status --watch'}")
    lines = window.size[1]
    whole = "legacy" if name == "tui" else ("more lines" if lines < 24 else "daemon: ")
    window.wait_for("web ", whole, *(["q quit"] if name == "tui" else []))
    screen = window.screen()
    window.keys("q" if name == "tui" else "C-c")
    window.wait_for("ready>")
    compare(f"{name}-{window.size[0]}x{window.size[1]}", screen)


def marked(text: str) -> str:
    """Where a colour begins as `<32>`, and where it ends as `</>`; what tmux repeats at the end of lines is left out."""
    now = wanted = done = ""
    for piece in re.split(r"(\x1b\[[0-9;]*m)", text):
        if piece.startswith("\x1b"):
            codes = [code for code in piece[2:-1].split(";") if code not in ("", "0", "39", "49")]
            wanted = codes[-1] if codes else ""
        else:
            if piece.strip() and wanted != now:
                done += ("</>" if now else "") + (f"<{wanted}>" if wanted else "")
                now = wanted
            done += piece
    return done + ("</>" if now else "")


def test_in_colours_without_and_in_ascii(daemon: LiveDaemon) -> None:
    daemon.forwards = problems()
    with opened((80, 24)) as shown:
        plain = typed(shown, f"{KFW} status")
        compare("status-colours", marked(typed(shown, f"{KFW} status", escapes=True)))
        assert typed(shown, f"NO_COLOR=1 {KFW} status", escapes=True) == plain
        ascii_only = typed(shown, f"LC_ALL=C {KFW} status")
        assert ascii_only.isascii()
        compare("status-ascii", ascii_only)


@pytest.mark.parametrize("name", COMMANDS)
def test_in_a_pipe_it_is_text_of_80_columns(daemon: LiveDaemon, name: str) -> None:
    daemon.forwards = problems() if name == "status-problems" else forwards()
    argv = [sys.executable, "-m", "kfw", *shlex.split(COMMANDS[name])]
    env = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": ""}
    out = subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, check=False).stdout
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    compare(f"{name}-pipe", out)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_terminal_app_has_the_same_words_in_each_theme(daemon: LiveDaemon, theme: str) -> None:
    daemon.forwards = problems()
    file = Path("kfw.yaml")
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "uiOptions": {"theme": theme}}))
    try:
        with opened((80, 24), COLORTERM="truecolor") as shown:
            shown.type(f"{KFW} tui")
            shown.wait_for("legacy", "q quit")
            background = re.findall(r"48;2;(\d+);", shown.screen(escapes=True))
            assert (int(background[0]) > 127) == (theme == "light")
            compare("tui-80x24", shown.screen())
            shown.keys("q")
    finally:
        file.write_text(json.dumps(content))
