"""kfw as a user runs it: the program of .venv, with a home, a working directory and a daemon of its own."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

KFW = Path(sys.executable).with_name("kfw")
Done = subprocess.CompletedProcess[str]
T = TypeVar("T")


class Kfw:
    """Call it like the program: `kfw("up", "web")`. `home` is KFW_HOME, `project` the working directory."""

    def __init__(
        self, kubeconfig: Path | str, env: Mapping[str, str] | None = None, program: Path = KFW
    ) -> None:
        self.program = program
        # Not pytest's folder: a unix socket's path may have 103 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="kfw-"))
        self.home = self.folder / "kfw"
        self.project = self.folder / "project"
        self.project.mkdir()
        own = {"HOME": str(self.folder), "KFW_HOME": str(self.home), "KUBECONFIG": str(kubeconfig)}
        own["KFW_LOOP"] = os.environ.get("KFW_LOOP", "asyncio")  # a plain install has no uvloop
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KFW_", "XDG_"))}
        self.env = {**kept, "NO_COLOR": "1", **own, **(env or {})}

    def __call__(self, *arguments: str, code: int | None = 0, timeout: float = 60, stdin: str = "") -> Done:
        """Run it to its end. `code`: the exit code it must have, None for any."""
        argv = [str(self.program), *arguments]
        done = subprocess.run(
            argv,
            input=stdin,
            env=self.env,
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if code is not None and done.returncode != code:
            raise AssertionError(
                f"{shlex.join(['kfw', *arguments])} ended with {done.returncode}, not {code}\n"
                f"stdout: {done.stdout}\nstderr: {done.stderr}\n{self.log()}"
            )
        return done

    def popen(self, *arguments: str) -> "subprocess.Popen[str]":
        """For what does not end by itself: `status --watch`, `up --foreground`. The caller ends it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [str(self.program), *arguments],
            env=self.env,
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def configure(self, forwards: Mapping[str, Mapping[str, Any]], **more: Any) -> Path:
        """Write the project's kfw.yaml (as JSON, which is YAML)."""
        file = self.project / "kfw.yaml"
        file.write_text(json.dumps({"portForwards": forwards, **more}, indent=2))
        return file

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        """What `ARGUMENTS --json` says."""
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def daemon(self) -> dict[str, Any]:
        return dict(self.json("status", code=None)["daemon"])

    def status(self, name: str) -> dict[str, Any]:
        """The forward's row, or {} if there is none."""
        rows = self.json("status", code=None)["forwards"]
        return next((dict(row) for row in rows if row["name"] == name), {})

    def wait(self, name: str, status: str, *, within: float = 10.0) -> dict[str, Any]:
        """The row, once it has this status."""

        def row() -> dict[str, Any] | None:
            now = self.status(name)
            return now if now.get("status") == status else None

        return until(row, within, lambda: f"{name} is {status}, but it is {self.status(name)}\n{self.log()}")

    def log(self) -> str:
        """The last lines of the daemon's log."""
        file = self.home / "state" / "kfw.log"
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        return "\n".join(["the daemon's log:", *lines[-20:]])

    def kill_daemon(self) -> int:
        """As `kill -9` does; its pid."""
        pid = int(self.daemon()["pid"])
        os.kill(pid, signal.SIGKILL)
        until(
            lambda: not Path(f"/proc/{pid}/environ").exists() or _is_zombie(pid),
            5,
            lambda: "the daemon is gone",
        )
        return pid

    def processes(self) -> dict[int, str]:
        """Everything that was started from this home and still runs: pid and command line (Linux)."""
        return dict(_processes_with(f"KFW_HOME={self.home}"))

    def close(self) -> None:
        """Stop all. It is an error if anything is left after that."""
        with suppress(subprocess.TimeoutExpired):
            if (self.home / "state" / "sandbox").exists():
                self("sandbox", "stop", code=None)
            self("stop", code=None)
        try:
            until(
                lambda: not self.processes(),
                5,
                lambda: f"nothing is left, but there is {self.processes()}\n{self.log()}",
            )
        finally:
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.folder, ignore_errors=True)


def until(ask: Callable[[], T | None], within: float, wish: Callable[[], str], *, pause: float = 0.05) -> T:
    """The first true answer. `wish` says what was waited for, in case it never comes."""
    end = time.monotonic() + within
    while not (answer := ask()):
        if time.monotonic() > end:
            raise AssertionError(f"within {within} s: {wish()}")
        time.sleep(pause)
    return answer


def _processes_with(variable: str) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield (
                    int(folder.name),
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip(),
                )


def _is_zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True
