"""What the daemon says, asked five times a second over its control socket, and what it takes of the machine."""

import http.client
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

from tests.bench import processes
from tests.real.chaos.measure import Sample, Told

PAUSE, PATIENCE = 0.2, 2.0


class Sampler:
    """A context manager."""

    def __init__(self, control: Path) -> None:
        self.samples: list[Sample] = []
        self._control = control
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def last(self) -> Sample:
        return self.samples[-1] if self.samples else Sample(time.monotonic(), None)

    def _run(self) -> None:
        while not self._over.wait(PAUSE):
            rows = ask(self._control)
            self.samples.append(Sample(time.monotonic(), rows))


def ask(control: Path) -> dict[str, Told] | None:
    """None: no answer in time."""
    connection = http.client.HTTPConnection("kfw")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    try:
        connection.sock.connect(str(control))
        connection.request("GET", "/v1/status")
        rows: list[dict[str, Any]] = json.loads(connection.getresponse().read())["forwards"]
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return None
    finally:
        connection.close()
    return {row["name"]: Told(row["status"], row["reason"] or "", row["lostConnections"]) for row in rows}


def memory(pid: int) -> float:
    """MB."""
    return round(processes.memory(pid), 1)


def open_files(pid: int, api_port: int, looks: int = 30) -> tuple[int, int]:
    """(descriptors that are not connections to the API server, these): the fewest of the looks, ten a second.

    What clients had goes late where a container runtime is between.
    """
    found = []
    for _ in range(looks):
        links = _links(pid, api_port)
        found.append((len(list(Path(f"/proc/{pid}/fd").iterdir())) - links, links))
        time.sleep(0.1)
    return min(found)


def _links(pid: int, api_port: int) -> int:
    """Its sockets whose other end is that port of loopback; see proc(5), /proc/net/tcp."""
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    there = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(f":{api_port:04X}")}
    return sum(_names(fd) in there for fd in Path(f"/proc/{pid}/fd").iterdir())


def _names(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""
