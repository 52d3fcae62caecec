"""`kubectl port-forward` and `kfw port-forward`, run alike: what each says, and how it ends."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

KFW_PROGRAM = Path(sys.executable).with_name("kfw")
KUBECTL = ("kubectl", "port-forward")
KFW = (str(KFW_PROGRAM), "port-forward")

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")

#: Seconds: the machine may be busy.
PATIENCE = 20.0
#: No more lines for so long: it has said all.
SILENCE = 0.15


@dataclass(frozen=True)
class Said:
    """`code` as subprocess gives it: negative is a signal. `err` is without what only one of the two says."""

    out: list[str]
    err: list[str]
    code: int


class Running:
    """One that forwards, until it is told to end."""

    def __init__(self, program: Sequence[str], arguments: Sequence[str], env: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [*program, *arguments], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=env
        )
        self.out = b""

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()

    @property
    def ports(self) -> list[int]:
        """Local ones, in their order, each once."""
        found = (re.search(r":(\d+) -> ", line) for line in self.lines)
        return list(dict.fromkeys(int(one[1]) for one in found if one))

    def until(self, count: int) -> list[str]:
        """At least so many lines, and what comes right after; fewer only if it ends."""
        assert self.process.stdout is not None
        number = self.process.stdout.fileno()
        end = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(number, selectors.EVENT_READ)
            while time.monotonic() < end:
                enough = self.out.count(b"\n") >= count
                if not selector.select(SILENCE if enough else end - time.monotonic()):
                    break
                data = os.read(number, 65536)
                if not data:
                    break
                self.out += data
        return self.lines

    def end(self, number: int | None = None) -> Said:
        """After this signal, or by itself."""
        if number is not None:
            self.process.send_signal(number)
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
        said = (self.out + (out or b"")).decode().splitlines()
        return Said(said, _words(err.decode()), self.process.returncode)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(program: Sequence[str], line: str, env: dict[str, str]) -> Iterator[Running]:
    """`line` is split at blanks."""
    one = Running(program, line.split(), env)
    try:
        yield one
    finally:
        if one.process.returncode is None:
            one.kill()


def said_by(
    program: Sequence[str], arguments: Sequence[str], env: dict[str, str], *, lines: int | None = None
) -> Said:
    """All that it says until it ends; with `lines` it is interrupted when it has said so many."""
    one = Running(program, arguments, env)
    try:
        if lines is None:
            return one.end()
        one.until(lines)
        return one.end(signal.SIGINT if one.process.poll() is None else None)
    finally:
        if one.process.returncode is None:
            one.kill()


def environment(kubeconfig: Path, home: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("KFW_", "XDG_", "KUBE"))
    }
    loop = os.environ.get("KFW_LOOP", "asyncio")  # a plain install has no uvloop
    own = {"KUBECONFIG": str(kubeconfig), "HOME": str(home), "KFW_HOME": str(home / "kfw"), "KFW_LOOP": loop}
    return {**kept, **own}


def _words(err: str) -> list[str]:
    """Without klog's lines, without kfw's additions, and with one name for both programs."""
    own = re.compile(r"[EIW]\d{4} |kfw: |     |WARNING: version difference")
    kept = [line for line in err.splitlines() if not own.match(line)]
    kept = [line.replace("'kfw port-forward", "'kubectl port-forward") for line in kept]
    return [
        re.sub("^Error: ", "error: ", line) for line in kept
    ]  # gcloud's dispatcher for kubectl writes it so
