"""The sandbox's process from outside: started detached, found again by its record, and ended by nobody's guess."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from kfw.errors import DaemonNotRunning, KfwError, TimedOut
from kfw.sandbox import certs
from kfw.system import process_identity
from kfw.system.files import lock, make_private_dir, read_bounded, write_atomic

#: Seconds until a started sandbox must have its pods ready; it needs less than one.
LIMIT = 10.0
_PAUSE = 0.02
_MODULE = "kfw.sandbox"
#: In its directory: what a running sandbox says of itself, and which faults it shall have.
RECORD, WANTED = "sandbox.json", "faults.json"


class Record(msgspec.Struct, frozen=True, rename="camel"):
    """What a running sandbox says of itself, in sandbox.json. `start` and `command` are as in system.identity."""

    pid: int
    start: str
    command: str
    url: str
    kubeconfig: str
    started_at: float
    nodes: dict[str, str]
    faults: tuple[str, ...] = ()


def running(directory: Path) -> Record | None:
    """The sandbox of this directory, if it runs: pid, start time and arguments are those of the record."""
    try:
        record = msgspec.json.decode(read_bounded(directory / RECORD), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record if _lives(record) else None


def required(directory: Path) -> Record:
    """Raises DaemonNotRunning."""
    if record := running(directory):
        return record
    raise DaemonNotRunning("the sandbox is not running", "`kfw sandbox start` starts it")


def _lives(record: Record) -> bool:
    seen = process_identity.look(record.pid)
    return seen is not None and (seen.start, seen.command) == (record.start, record.command)


def start(directory: Path) -> tuple[Record, bool]:
    """The running sandbox, and whether it was started just now: a session of its own, which outlives the terminal.

    Raises KfwError with its last words when it ends before it is ready, TimedOut.
    """
    make_private_dir(directory)
    with lock(directory / "start.lock", "`kfw sandbox start`", wait=LIMIT):
        if record := running(directory):
            return record, False
        certs.ensure(
            directory, time.time()
        )  # here, so that the long-lived process need not load `cryptography`
        return _wait_for(_spawn(directory), directory), True


def _spawn(directory: Path) -> subprocess.Popen[bytes]:
    write_atomic(log_file(directory), b"")
    with log_file(directory).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", _MODULE, str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )


def log_file(directory: Path) -> Path:
    return directory / "sandbox.log"


def _wait_for(child: subprocess.Popen[bytes], directory: Path) -> Record:
    deadline = time.monotonic() + LIMIT
    fix = f"its log is {log_file(directory)}"
    while time.monotonic() < deadline:
        record = running(directory)
        if record and record.pid == child.pid:
            child.returncode = (
                0  # it goes on without us: no ResourceWarning for a child that was not waited for
            )
            return record
        if child.poll() is not None:
            words = log_file(directory).read_text(errors="replace").strip().splitlines()
            raise KfwError(f"cannot start the sandbox: {words[-1] if words else 'it ended'}", fix)
        time.sleep(_PAUSE)
    child.kill()
    child.wait()
    raise TimedOut(f"the sandbox was not ready within {LIMIT:g} s", fix)


def stop(directory: Path, *, grace: float = 5.0) -> Record | None:
    """End it: TERM, and KILL after `grace` seconds. None: it was not running. Never touches another process."""
    record = running(directory)
    if record is None or record.pid <= 1:  # to kill(2) these are not one process
        return None
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(record.pid, number)
        deadline = time.monotonic() + grace
        while _is_there(record) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        if not _is_there(record):
            break
    return record


def _is_there(record: Record) -> bool:
    """Also while it is ending, when the kernel shows no arguments any more."""
    seen = process_identity.look(record.pid)
    return seen is not None and seen.start == record.start


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def fault(directory: Path, kind: str, *, on: bool) -> Record:
    """Begin or end one fault of faults.KINDS. Raises DaemonNotRunning, TimedOut."""
    required(directory)
    with lock(directory / "faults.lock", "`kfw sandbox fault`", wait=LIMIT):
        record = required(directory)
        wanted = {one for one in record.faults if one != kind} | ({kind} if on else set())
        write_atomic(directory / WANTED, msgspec.json.encode(sorted(wanted)))
        _signal(record.pid, signal.SIGUSR1)
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            if (now := running(directory)) and set(now.faults) == wanted:
                return now
            time.sleep(_PAUSE)
    raise TimedOut(
        f"the sandbox did not apply the fault within {LIMIT:g} s", f"its log is {log_file(directory)}"
    )
