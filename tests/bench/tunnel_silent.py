"""The API server falls silent for 20 s behind kfw's tunnel and `kubectl port-forward`: who says so, who is back when.

On a cluster of its own, as the shared one must stay whole.
"""

import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.bench.connects import Connects
from tests.bench.row import Config, Row, row
from tests.bench.tunnel_ways import LOCAL, Way, kfw_tunnel, kubectl_forward
from tests.real import rig as rigs
from tests.real.rig import Rig
from tests.real.running import Kfw, until

PORT = 8080
TARGET = "service/multi"
SILENCE = 20.0  # seconds
PER_SECOND = 20.0
#: Seconds after which nobody comes back any more.
PATIENCE = 40.0


def rows(config: Config) -> list[Row]:
    if not rigs.PROGRAM.exists():
        print(f"   not measured: {rigs.PROGRAM} is not there to make a cluster", file=sys.stderr, flush=True)
        return []
    with own_cluster() as rig:
        with (
            kfw_tunnel(rig.kubeconfig, TARGET, (PORT,)) as (kfw, ours),
            kubectl_forward(rig.kubeconfig, TARGET, (PORT,)) as theirs,
        ):
            return _rows(rig, kfw, ours, theirs)


def _rows(rig: Rig, kfw: Kfw, ours: Way, theirs: Way) -> list[Row]:
    said = _silence(rig, kfw, f"p{PORT}")
    with (
        Connects(ours.ports[PORT], PER_SECOND, patience=PATIENCE) as mine,
        Connects(theirs.ports[PORT], PER_SECOND, patience=PATIENCE) as other,
    ):
        off = _end(rig)
        back, late = _answered(mine, off), _answered(other, off)
    what = f"tunnel: API silent for {SILENCE:.0f} s"
    return [
        row(f"{what}, until kfw status says so", said, "s", "< 15"),
        row(f"{what}, from its end to the first answer, than kubectl", back, "s", "< 0.5", than=late),
    ]


def _silence(rig: Rig, kfw: Kfw, name: str) -> float:
    """Seconds from its beginning until the forward's status is not `active` any more; returns just before its end."""
    rig.fault("api-blackhole", "on")
    began = time.monotonic()
    until(lambda: kfw.status(name)["status"] != "active", SILENCE, lambda: "status says so", pause=0.2)
    said = time.monotonic() - began
    time.sleep(max(0.0, SILENCE - said))
    return said


def _end(rig: Rig) -> float:
    """The moment in which the API server can be reached again: `off` takes some tenths of a second itself."""
    with ThreadPoolExecutor(1) as pool:
        over = pool.submit(rig.fault, "api-blackhole", "off")
        until(lambda: _accepts(rig.api_port), PATIENCE, lambda: "the API server accepts", pause=0.01)
        at = time.monotonic()
        over.result()
        return at


def _accepts(port: int) -> bool:
    """Of a first try: no packet is sent again within this time."""
    try:
        socket.create_connection((LOCAL, port), 0.05).close()
    except TimeoutError:
        return False
    return True


def _answered(connects: Connects, off: float) -> float:
    """Seconds from `off` to the first answer."""
    return until(lambda: connects.first_answer(off, not_of=set()), PATIENCE, lambda: "an answer") - off


@contextmanager
def own_cluster() -> Iterator[Rig]:
    name = f"kfw-b{os.getpid()}"
    try:
        yield rigs.up(name)
    finally:
        rigs.cluster("down", name)
