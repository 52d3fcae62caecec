"""kfw as in tests/real/running.py, with quick looks at its control socket: tests look often, and a process costs 0.1 s."""

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.real.running import KFW, Done, Kfw, until
from tests.stopwatch import Stopwatch

Row = dict[str, Any]
#: One entry of portForwards.
Entry = dict[str, Any]


class Program(Kfw):
    def __init__(
        self, kubeconfig: Path | str, env: Mapping[str, str] | None = None, program: Path = KFW
    ) -> None:
        super().__init__(kubeconfig, env, program)
        self.kubeconfig = Path(kubeconfig)
        self.since = 0  # the last event before this test, where tests share a daemon

    def up(self, forwards: Mapping[str, Entry], *arguments: str, code: int | None = 0, **more: Any) -> Done:
        """`kfw up` with these in kfw.yaml; what was there before and is not named any more is stopped."""
        self.configure(forwards, **more)
        return self("up", *arguments, code=code)

    def ask(self, target: str) -> Any:
        """GET over the control socket, as `curl --unix-socket` does it."""
        return self._ask("GET", target, None, 10)

    def post(self, target: str, body: Mapping[str, Any], *, timeout: float = 60) -> Any:
        """The answer, also when it is a refusal."""
        return self._ask("POST", target, json.dumps(body), timeout)

    def _ask(self, method: str, target: str, body: str | None, timeout: float) -> Any:
        connection = http.client.HTTPConnection("kfw", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(self.home / "run" / "kfw.sock"))
            connection.request(method, target, body)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def rows(self) -> dict[str, Row]:
        """By name; none when no daemon runs."""
        try:
            return {row["name"]: row for row in self.ask("/v1/status")["forwards"]}
        except (FileNotFoundError, ConnectionError):
            return {}

    def answers(self) -> bool:
        try:
            return bool(self.ask("/v1/ping")["running"])
        except (FileNotFoundError, ConnectionError):
            return False

    def status(self, name: str) -> Row:
        return self.rows().get(name, {})

    def seq(self) -> int:
        """The number of the last event."""
        return max((event["seq"] for event in self.ask("/v1/events")), default=0)

    def history(self, name: str, since: int | None = None) -> list[Row]:
        """Each status that this forward had in this test, without repetition of status and reason."""
        since = self.since if since is None else since
        told: list[Row] = []
        for event in self.ask(f"/v1/events?since={since}"):
            row = event.get("forward") if event["type"] == "status" and event["name"] == name else None
            if row and (not told or _core(told[-1]) != _core(row)):
                told.append(row)
        return told

    def daemon_pid(self) -> int:
        return int(self.ask("/v1/ping")["pid"])

    def stopwatch(self) -> Stopwatch:
        """Of the daemon, and of this process, which is the cluster."""
        return Stopwatch(os.getpid(), self.daemon_pid())

    def until_row(self, name: str, within: float = 10.0, **wanted: Any) -> Row:
        """The row, once its fields are these: until_row("api", status="error", reason="port-in-use")."""

        def row() -> Row | None:
            now = self.status(name)
            return now if now and all(now.get(key) == value for key, value in wanted.items()) else None

        return until(
            row,
            within,
            lambda: f"{name} has {wanted}, but it is {self.status(name)}\n{self.log()}",
            pause=0.02,
        )

    def children(self, word: str) -> list[int]:
        """Pids of what runs from this home and has `word` in its command line, the daemon left out."""
        found = self.processes()
        return sorted(pid for pid, line in found.items() if word in line and " -m kfw " not in f" {line} ")


def _core(row: Row) -> tuple[Any, ...]:
    return row["status"], row["reason"]


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        yield connection


def listens(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0
