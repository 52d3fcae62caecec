#!/usr/bin/python3 -IS
"""The part of kfw that runs as root beside a kubefwd, because the daemon, as a user, may not signal it.

It needs nothing but Python, so that a copy can be put where only root writes. On stdin comes one JSON object in one line,
{"argv", "env", "hosts", "left"}, then lines of ["address", "name"] pairs that kubefwd has written into the hosts file. When
stdin ends, for whatever reason, or TERM, INT or HUP comes, kubefwd gets TERM, after 15 s KILL, and exactly those pairs are
taken out of the hosts file. The same is done at the start with "left", pairs of a run that could not clean up.

Exit code: kubefwd's; 128 and more: the signal that ended it.
"""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

#: kubefwd needs up to 8 s after TERM, and 5 s more with its API.
GRACE = 15.0
#: Bytes: an environment and some thousand names.
LONGEST = 4 * 1024 * 1024
_PR_SET_PDEATHSIG = 1

Pair = tuple[str, str]


def without(text: str, pairs: Iterable[Pair]) -> str:
    """A hosts file without these (address, name) pairs. What has none of them stays byte for byte."""
    gone = set(pairs)
    return "".join(_kept(line, gone) for line in text.splitlines(keepends=True))


def _kept(line: str, gone: set[Pair]) -> str:
    entry, mark, comment = line.partition("#")
    fields = entry.split()
    if len(fields) < 2:
        return line
    address, *names = fields
    kept = [name for name in names if (address, name) not in gone]
    if len(kept) == len(names):
        return line
    if not kept:
        return f"#{comment}" if mark and comment.strip() else ""
    return " ".join([address, *kept]) + (f" #{comment}" if mark else "\n" if line.endswith("\n") else "")


def take_out(hosts: str, pairs: Iterable[Pair]) -> None:
    """In place, as the file may be a mount of its own, and under a lock, against others like us. OSError."""
    pairs = list(pairs)
    if not pairs:
        return
    with open(hosts, "r+", encoding="utf-8", errors="surrogateescape", newline="") as file:  # noqa: PTH123
        fcntl.flock(file, fcntl.LOCK_EX)
        before = file.read()
        after = without(before, pairs)
        if after != before:
            file.seek(0)
            file.write(after)
            file.truncate()


class Stdin:
    """Lines of a pipe, as they come."""

    def __init__(self) -> None:
        self._rest = b""
        self.ended = False

    def read(self) -> list[bytes]:
        """Blocks until there is something; `ended` afterwards: there is nothing more."""
        data = os.read(0, 65536)
        self.ended = not data or len(self._rest) + len(data) > LONGEST
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


def main() -> int:
    os.umask(0o022)
    signals, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    stdin = Stdin()
    lines: list[bytes] = []
    while not lines:
        lines = stdin.read()
        if stdin.ended:
            return 0
    spec = json.loads(lines.pop(0))
    _clean(spec["hosts"], map(_pair, spec["left"]))
    child = subprocess.Popen(
        spec["argv"],
        env=spec["env"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # so that no signal reaches it but ours: a second TERM would cut its own cleaning up short
        preexec_fn=_ends_with_us(),
    )
    recorded = {_pair(json.loads(line)) for line in lines}
    recorded |= _until_end(child, stdin, signals)
    _end(child)
    _clean(spec["hosts"], recorded)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _until_end(child: "subprocess.Popen[bytes]", stdin: Stdin, signals: int) -> set[Pair]:
    """Of kubefwd, of stdin, or by a signal. Returns the pairs that came."""
    recorded: set[Pair] = set()
    while child.poll() is None and not stdin.ended:
        ready, _, _ = select.select([0, signals], [], [])
        if 0 in ready:
            recorded |= {_pair(json.loads(line)) for line in stdin.read()}
        if signals in ready and set(os.read(signals, 64)) != {signal.SIGCHLD}:
            break
    return recorded


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _ends_with_us() -> Callable[[], object] | None:
    """What the child does first: if we are killed, it gets its TERM from the kernel."""
    if sys.platform != "linux":
        return None
    import ctypes  # the daemon, which imports this file for its names, does without

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _pair(read: Any) -> Pair:
    address, name = read
    return str(address), str(name)


def _clean(hosts: str, pairs: Iterable[Pair]) -> None:
    try:
        take_out(hosts, pairs)
    except OSError as error:
        print(f"cannot take names out of {hosts}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
