"""A real Docker Engine, as the tests of the quick start's image use it: each removes what it made, and nothing else."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.real.running import until

ROOT = Path(__file__).resolve().parents[2]
SOCKET = Path("/var/run/docker.sock")
#: What a client needs in the container to be docker's: the rig's, which leaves out --privileged (see the rig's README).
SOCKET_MOUNT = ("-v", f"{SOCKET}:/var/run/docker.sock")

Done = subprocess.CompletedProcess[str]


def answers() -> bool:
    return shutil.which("docker") is not None and docker("version", code=None).returncode == 0


def docker(*arguments: str, code: int | None = 0, timeout: float = 60, stdin: str = "") -> Done:
    done = subprocess.run(
        ["docker", *arguments], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
    )
    if code is not None:
        assert done.returncode == code, f"docker {arguments} ended with {done.returncode}: {done.stderr}"
    return done


def build() -> str:
    """The image, on a base made here. Its layers are kept by docker, so that only the first time is long."""
    done = subprocess.run(
        [ROOT / "scripts/image.sh", "--local-base"],
        env={**os.environ, "IMAGE": "kfw-quick-start:test", **_real_kind()},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def _real_kind() -> Mapping[str, str]:
    """Not the rig's front end, which is a script for the host."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kind = cache / "kfw-cluster" / "bin" / "kind"
    return {"KIND": str(kind)} if kind.exists() else {}


class Box:
    """A container of the image."""

    def __init__(self, name: str) -> None:
        self.name = name

    def kfw(self, *arguments: str, code: int | None = 0, timeout: float = 60) -> Done:
        return self.run("kfw", *arguments, code=code, timeout=timeout)

    def run(self, *argv: str, code: int | None = 0, timeout: float = 60) -> Done:
        return docker("exec", "-u", "kfw", self.name, *argv, code=code, timeout=timeout)

    def inspect(self) -> Any:
        return json.loads(docker("inspect", self.name).stdout)[0]

    def networks(self) -> set[str]:
        return set(self.inspect()["NetworkSettings"]["Networks"])

    def logs(self) -> str:
        done = docker("logs", self.name)
        return done.stdout + done.stderr

    def until_logs(self, words: str, within: float = 30.0) -> None:
        until(lambda: words in self.logs(), within, lambda: f"'{words}' is in its log:\n{self.logs()}")

    def stop(self) -> tuple[float, int]:
        """TERM, as docker does it: how long it took, and the exit code. 137 would be KILL after 10 s."""
        began = time.monotonic()
        docker("stop", "-t", "10", self.name)
        return time.monotonic() - began, int(self.inspect()["State"]["ExitCode"])


@contextmanager
def box(image: str, *options: str, command: Sequence[str] = ("sleep", "600")) -> Iterator[Box]:
    name = f"kfw-box-{os.urandom(4).hex()}"
    docker("run", "-d", "--name", name, *options, image, *command)
    try:
        yield Box(name)
    finally:
        docker("rm", "-f", "-v", name)


def once(image: str, *command: str, options: Sequence[str] = (), stdin: str = "") -> Done:
    """`docker run --rm`, whatever its exit code."""
    interactive = ["-i"] if stdin else []
    return docker("run", "--rm", *interactive, *options, image, *command, code=None, stdin=stdin)


@contextmanager
def socket_of_group(gid: int) -> Iterator[tuple[str, str]]:
    """The options that mount a docker socket of this group: the real one behind another name."""
    folder = Path(tempfile.mkdtemp(prefix="kfw-sock-"))
    place = folder / "docker.sock"
    relay = subprocess.Popen(
        ["socat", f"UNIX-LISTEN:{place},fork,mode=660,group={gid}", f"UNIX-CONNECT:{SOCKET}"],
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _is_socket(place), 5, lambda: "socat listens")
        yield "-v", f"{place}:/var/run/docker.sock"
    finally:
        relay.terminate()
        relay.wait(10)
        shutil.rmtree(folder)


def _is_socket(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(place)) == 0


def published(ports: Mapping[int, int]) -> list[str]:
    """`docker run` options: the container's port to one of this machine's, on 127.0.0.1 only."""
    return [word for inner, outer in ports.items() for word in ("-p", f"127.0.0.1:{outer}:{inner}")]
