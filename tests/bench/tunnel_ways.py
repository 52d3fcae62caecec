"""The ways to the same ports of the same pod: kfw's tunnel and `kubectl port-forward`, a process each."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import processor_seconds, started
from tests.bench.traffic import Address
from tests.real.rig import Rig
from tests.real.running import KFW as PROGRAM
from tests.real.running import Kfw
from tests.real.talk import free_ports

KFW, KUBECTL = "kfw", "kubectl"
LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Way:
    """`ports`: the pod's port -> the local one. `pid`: 0 if there are several processes, so nobody asks what it costs."""

    name: str
    pid: int
    ports: Mapping[int, int]
    host: str = LOCAL

    def at(self, port: int) -> Address:
        return self.host, self.ports[port]

    def processor(self) -> float:
        """Seconds so far."""
        return processor_seconds(self.pid)


@contextmanager
def both(rig: Rig, target: str, ports: Sequence[int], namespace: str = "demo") -> Iterator[list[Way]]:
    with (
        kfw_tunnel(rig.kubeconfig, target, ports, namespace) as (_, ours),
        kubectl_forward(rig.kubeconfig, target, ports, namespace) as theirs,
    ):
        yield [ours, theirs]


@contextmanager
def kfw_tunnel(
    kubeconfig: Path,
    target: str,
    ports: Sequence[int],
    namespace: str = "demo",
    *,
    loop: str = "",
    program: Path = PROGRAM,
    **more: object,
) -> Iterator[tuple[Kfw, Way]]:
    """A forward `p<PORT>` for each port. `loop`: uvloop or asyncio, instead of what the environment says. `program`: that
    of another checkout."""
    kfw = Kfw(kubeconfig, {"KFW_LOOP": loop} if loop else None, program)
    local = dict(zip(ports, free_ports(len(ports)), strict=True))
    common = {"target": target, "namespace": namespace, "method": "tunnel", **more}
    kfw.configure(
        {f"p{far}": {**common, "targetPort": far, "localPort": near} for far, near in local.items()}
    )
    try:
        kfw("up")
        yield kfw, Way(KFW, int(kfw.daemon()["pid"]), local)
    finally:
        kfw.close()


@contextmanager
def kubectl_forward(
    kubeconfig: Path, target: str, ports: Sequence[int], namespace: str = "demo"
) -> Iterator[Way]:
    argv = ["kubectl", "--kubeconfig", str(kubeconfig), "-n", namespace, "port-forward", target]
    with said(KUBECTL, [*argv, *(f":{port}" for port in ports)], ports) as way:
        yield way


@contextmanager
def said(name: str, argv: Sequence[str], ports: Sequence[int]) -> Iterator[Way]:
    """A process that tells its ports as kubectl does: `Forwarding from 127.0.0.1:40001 -> 9000`."""
    with started(argv) as process:
        assert process.stdout is not None
        local: dict[int, int] = {}
        while len(local) < len(ports):
            line = process.stdout.readline()
            assert line, f"{name} ended before it had forwarded"
            if found := re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", line):
                local[int(found[2])] = int(found[1])
        yield Way(name, process.pid, local)


def pods(rig: Rig, selector: str, namespace: str = "demo") -> list[str]:
    """The ready ones."""
    listed = json.loads(rig.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json"))
    return [one["metadata"]["name"] for one in listed["items"] if _ready(one)]


def _ready(pod: Mapping[str, object]) -> bool:
    status = pod["status"]
    metadata = pod["metadata"]
    assert isinstance(status, dict)
    assert isinstance(metadata, dict)
    conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in metadata


def in_turn(names: Sequence[Way], number: int) -> list[Way]:
    """Who is first changes with the round."""
    by = number % len(names)
    return [*names[by:], *names[:by]]
