"""The daemon's own files, torn, forged, or not files at all: store.json and the ledgers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfw.daemon import store
from kfw.daemon.orphans import own_ledger
from kfw.errors import KfwError
from kfw.system.process_identity import look
from tests.fuzz import values
from tests.fuzz.area import Area, Case, Finding

_STORE = {
    "forwards": [
        {
            "name": "api",
            "target": {"kind": "service", "name": "api"},
            "target_port": 80,
            "local_port": 0,
            "hold": 30.0,
        }
    ],
    "asked": {
        "/p/kfw.yaml": {
            "source": {"key": "/p/kfw.yaml", "cwd": "/p", "flags": {"context": "dev"}},
            "whole": True,
        }
    },
}


class State(Area):
    name = "state"

    async def __aenter__(self) -> "State":
        self._bystander = subprocess.Popen(  # noqa: ASYNC220  # it is not waited for; it ends with this process
            [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={"A": "b"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bystander.kill()
        self._bystander.communicate()

    async def case(self, case: Case) -> None:
        _load_store(case)
        with _nobody_is_signalled():
            _read_ledger(case, self._bystander.pid)
        if self._bystander.poll() is not None:
            raise Finding(
                f"a forged ledger ended a process that is not kfw's\n{(case.folder / 'seen').read_text()}"
            )


def _load_store(case: Case) -> None:
    """It may be put aside, or be believed; nothing comes out but what can be written again."""
    path = case.folder / "store.json"
    _write(case, path, values.json_bytes(values.mutate(case.random, _STORE, case.random.randrange(1, 6))))
    saved = store.load(path)
    store.save(case.folder / "again.json", saved)
    if store.load(case.folder / "again.json") != saved:
        raise Finding("a store that was read and written is another one")


def _read_ledger(case: Case, pid: int) -> None:
    folder = case.folder / "state"
    folder.mkdir()
    lines = b"\n".join(values.json_bytes(line) for line in _forged(case, pid))
    (case.folder / "seen").write_bytes(lines)
    _write(case, folder / f"ledger-{case.random.choice(('1', '99999', 'x', '-1', '²'))}.jsonl", lines)
    try:
        with own_ledger(folder) as ledger:
            ledger.ended(ledger.intend(["true"], "fuzzed"))
    except KfwError as error:
        raise Finding(f"the daemon does not start: {error.what}") from error


def _forged(case: Case, pid: int) -> Iterator[Any]:
    """Lines about a process that runs, all of it true but the marker; and what changes make of them."""
    random, seen = case.random, look(pid)
    start = seen.start if seen else ""
    command = seen.command if seen else ""
    argv = random.choice((command.split(" "), ["x", ""], ["", ""], [""], [], ["x", command[-5:]]))
    marker = random.choice(("", "0" * 32, None, "None", "b", 0))
    entry = {"marker": marker, "argv": argv, "label": "socat"}
    spawned = {
        "marker": marker,
        "pid": random.choice((pid, pid, pid, float(pid), str(pid), True, 1 << 40, -pid)),
        "start": start,
    }
    for line in (
        entry,
        spawned,
        {"marker": random.choice((marker, "other")), "ended": random.choice((True, "", 1, []))},
    ):
        yield line if random.random() < 0.6 else values.mutate(random, line, random.randrange(1, 4))


def _write(case: Case, path: Path, data: bytes) -> None:
    """The file, mostly; sometimes torn, deep, or no file."""
    random = case.random
    match random.randrange(14):
        case 0:
            os.mkfifo(path)
        case 1:
            path.mkdir()
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            path.symlink_to(path)
        case 4:
            path.write_bytes(values.deep_json(random, random.choice((500, 1500, 100_000))) + b"\n" + data)
        case 5:
            path.write_bytes(values.bytes_changed(random, data, 5))
        case 6:
            path.write_bytes(data[: random.randrange(len(data) + 1)])
        case 7:
            path.write_bytes(data + b'{"marker": "a", "pid": ' + b"9" * 5000 + b"}\n")
        case 8:
            path.write_bytes(b"")
        case _:
            path.write_bytes(data)


@contextmanager
def _nobody_is_signalled() -> Iterator[None]:
    """A forged ledger names only the bystander. If kfw is wrong about whom, it shall be found, not felt."""

    def refuse(pid: int, number: int) -> None:
        if number:
            raise Finding(
                f"a forged ledger sends {signal.Signals(number).name} to a process that kfw did not start"
            )
        kept[0](pid, number)

    kept = os.kill, os.killpg
    os.kill = os.killpg = refuse
    try:
        yield
    finally:
        os.kill, os.killpg = kept
