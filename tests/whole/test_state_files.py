"""Whatever lies where the daemon keeps its files: it starts, says what it put aside, and ends nothing but its own."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kfw.system.process_identity import look
from tests.stopwatch import in_time
from tests.whole.program import Program

DEEP = b'{"forwards": ' + b"[" * 200_000

#: What may lie in a file's place.
ODD: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a directory": lambda path: path.mkdir(),
    "a directory with a file": lambda path: (path.mkdir(), (path / "x").touch()),
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("/nonexistent/file"),
    "JSON nested 200,000 deep": lambda path: path.write_bytes(DEEP),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00" * 1000),
    "100 MB": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), 100_000_000),
}
FILES = (
    "state/up.json",
    "state/ledger-4711.jsonl",
    "state/ledger-4711.lock",
    "state/kfw.log",
    "state/daemon.out",
    "run/kfw.lock",
    "run/kfw.pid",
    "run/start.lock",
    "run/kfw.sock",
)
_FILES = ("JSON nested 200,000 deep", "no text", "100 MB")
#: What the daemon has to understand; of the others it only matters that they are files.
_READ = ("state/up.json", "state/ledger-4711.jsonl")
#: A leftover socket may be anything; lines without sense in a ledger are passed over as a torn one is.
_UNREMARKABLE = {
    *(("run/kfw.sock", kind) for kind in ("a FIFO", "a link to /dev/zero", "a link to nothing")),
    *(
        ("state/ledger-4711.jsonl", kind)
        for kind in ("JSON nested 200,000 deep", "no text", "a link to nothing")
    ),
    ("state/up.json", "a link to nothing"),
}
CASES = [
    (file, kind)
    for file in FILES
    for kind in ODD
    if file in _READ or kind not in ("JSON nested 200,000 deep", "100 MB", "a directory with a file")
]


@pytest.fixture
def kfw() -> Iterator[Program]:
    program = Program("/nonexistent")
    for folder in (program.home, program.home / "run", program.home / "state"):
        folder.mkdir(mode=0o700)
    try:
        yield program
    finally:
        program.close()


def log_of(kfw: Program) -> str:
    return (kfw.home / "state" / "kfw.log").read_text(errors="replace")


@pytest.mark.parametrize(("file", "kind"), CASES)
def test_the_daemon_starts_whatever_lies_there(kfw: Program, file: str, kind: str) -> None:
    if file.endswith("4711.lock"):
        (kfw.home / file).with_suffix(".jsonl").touch()
    ODD[kind](kfw.home / file)
    began = time.monotonic()
    done = kfw("start")
    assert in_time(time.monotonic() - began, 5)
    assert done.stderr.splitlines()[-1].startswith("started (pid ")
    assert kfw.ask("/v1/status")["forwards"] == []
    assert "Traceback" not in log_of(kfw) + done.stderr
    if (file in _READ or kind not in _FILES) and (file, kind) not in _UNREMARKABLE:
        said = log_of(kfw) + done.stderr + (kfw.home / "state" / "daemon.out").read_text().strip()
        assert "was renamed to" in said, said


def test_a_fifo_in_place_of_the_log_does_not_hold_up_kfw_logs(kfw: Program) -> None:
    os.mkfifo(kfw.home / "state" / "kfw.log")
    done = kfw("logs", code=1, timeout=10)
    assert "it is not a regular file" in done.stderr


def test_a_fifo_in_place_of_the_state_does_not_hold_up_kfw_down(kfw: Program) -> None:
    os.mkfifo(kfw.home / "state" / "up.json")
    assert kfw("down", timeout=10).stderr == "nothing was up\n"


GOOD = {
    "name": "good",
    "target": {"kind": "service", "name": "api"},
    "target_port": 80,
    "local_port": 0,
    "context": "none",
    "kubeconfig": ["/nonexistent"],
}


@pytest.mark.parametrize(
    "forged",
    [
        {"local_port": 70_000},
        {"name": "\x1b[2J"},
        {"addresses": ["0.0.0.0; reboot"]},
        {"method": "magic"},
        {"retry": {"initial_delay": 0}},
        {"kubeconfig": ["/a\x00b"]},
        {"target": {"kind": "service", "name": "../x"}},
    ],
)
def test_a_forged_forward_is_left_out_and_the_others_come_back(
    kfw: Program, forged: dict[str, object]
) -> None:
    bad = {**GOOD, "name": "bad", **forged}
    (kfw.home / "state" / "up.json").write_text(json.dumps({"forwards": [bad, GOOD]}))
    kfw("start")
    assert list(kfw.rows()) == ["good"]
    assert "up.json: a forward is left out: forward " in log_of(kfw)
    assert "\x1b" not in log_of(kfw)


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is nobody's business, and leads a group of its own."""
    sleep = subprocess.Popen([shutil.which("sleep") or "sleep", "300"], start_new_session=True)
    yield sleep
    sleep.kill()
    sleep.wait()


#: What a forged ledger says of it. `pid` and `start` are right.
FORGERIES: dict[str, dict[str, object]] = {
    "without a marker": {"argv": ["sleep", "300"]},
    "with an empty marker": {"marker": "", "argv": ["sleep", "300"]},
    "with a marker of no text": {"marker": None, "argv": ["sleep", "300"]},
    "with a marker of blanks": {"marker": " ", "argv": ["sleep", "300"]},
    "with somebody else's marker": {"marker": "0" * 32, "argv": ["sleep", "300"]},
    "without arguments": {"marker": "0" * 32, "argv": []},
    "with empty arguments": {"marker": "0" * 32, "argv": ["", ""]},
    "with arguments of no text": {"marker": "0" * 32, "argv": [[], {}]},
    "an empty marker and no start": {"marker": "", "argv": ["sleep", "300"], "start": None},
    "an empty marker and pid 0": {"marker": "", "argv": ["sleep", "300"], "pid": 0, "start": None},
    "an empty marker and pid -1": {"marker": "", "argv": ["sleep", "300"], "pid": -1, "start": None},
    "an empty marker and pid true": {"marker": "", "argv": ["sleep", "300"], "pid": True, "start": None},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_ledger_ends_nothing(kfw: Program, bystander: "subprocess.Popen[bytes]", name: str) -> None:
    seen = look(bystander.pid)
    assert seen
    said = {"label": "x", "pid": bystander.pid, "start": seen.start} | FORGERIES[name]
    first = {key: value for key, value in said.items() if key not in ("pid", "start")}
    lines = [json.dumps(first), json.dumps(said), json.dumps({**said, "argv": None})]
    (kfw.home / "state" / "ledger-4711.jsonl").write_text("\n".join(lines) + "\n")
    kfw("start")
    assert kfw.ask("/v1/ping")["running"]
    assert bystander.poll() is None
    assert "ended what a kfw that was killed left behind" not in log_of(kfw)
