"""Forwards by the method tunnel to every port of the demo's app, in one daemon for the whole run."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real import talk
from tests.whole.program import Entry, Program

#: The ports of the service `multi`, by name.
MULTI = ("http", "https", "echo", "eof", "source", "sink", "reset", "greet")
#: Of the pod that nobody else talks to on these ports: its counters are ours.
SINGLE = {"single": 8080, "single-eof": 9001, "single-sink": 9003}


@dataclass(frozen=True)
class Tunnels:
    """`ports`: the forward's name -> the local port."""

    program: Program
    ports: Mapping[str, int]

    def connect(self, name: str, *, patience: float = 30) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[name]), patience)

    def url(self, name: str, path: str = "/") -> str:
        return f"{'https' if name == 'https' else 'http'}://127.0.0.1:{self.ports[name]}{path}"

    def lost(self, name: str) -> int:
        """Connections that kfw counts as lost since it is up."""
        return int(self.program.status(name)["lostConnections"])

    def restarts(self) -> int:
        return sum(row["restarts"] for row in self.program.rows().values())

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Meanwhile no forward has another status than `active`, not for a moment, and no way is made again."""
        seq, restarts = self.program.seq(), self.restarts()
        yield
        told = {name: self.program.history(name, seq) for name in self.ports}
        assert {(row["status"], row["reason"]) for rows in told.values() for row in rows} <= {
            ("active", None)
        }
        assert {row["status"] for row in self.program.rows().values()} == {"active"}
        assert self.restarts() == restarts


@contextmanager
def tunnels(kubeconfig: Path) -> Iterator[Tunnels]:
    wanted = {name: _entry("service/multi", name) for name in MULTI}
    wanted |= {name: _entry("pod/single", port) for name, port in SINGLE.items()}
    wanted["grpc"] = _entry("service/grpc", "grpc")
    program = Program(kubeconfig)
    try:
        program.up(wanted)
        yield Tunnels(program, {name: entry["localPort"] for name, entry in wanted.items()})
    finally:
        program.close()


def _entry(target: str, port: int | str) -> Entry:
    local = talk.free_ports(1)[0]
    return {
        "target": target,
        "targetPort": port,
        "namespace": "demo",
        "localPort": local,
        "method": "tunnel",
    }
