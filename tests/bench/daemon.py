"""The daemon with 100 active node port forwards: its memory, and the processor time it takes when nothing happens."""

import os
import time
from pathlib import Path
from typing import Any

from tests.bench.row import Config, Row, row
from tests.real.running import Kfw
from tests.real.talk import free_ports

#: Services of the rig with a node port, and their ports.
TARGETS = [
    ("demo", "web", 80),
    ("demo", "multi", 9000),
    ("demo", "multi", 9001),
    ("demo", "multi", 9002),
    ("wso2-amp", "amp-console", 3000),
    ("wso2-amp", "amp-api", 8080),
    ("openchoreo-observability-plane", "amp-traces-observer", 9098),
    ("openchoreo-observability-plane", "data-prepper", 21893),
]
COUNT = 100
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def rows(config: Config) -> list[Row]:
    kfw = Kfw(config.rig.kubeconfig)
    try:
        return _measure(kfw, seconds=15 if config.short else 60)
    finally:
        kfw.close()


def _measure(kfw: Kfw, seconds: float) -> list[Row]:
    kfw.configure({f"f{number}": _forward(number, port) for number, port in enumerate(free_ports(COUNT))})
    kfw("up")
    status = kfw.json("status")
    active = [forward for forward in status["forwards"] if forward["status"] == "active"]
    assert len(active) == COUNT, f"{len(active)} of {COUNT} are active"
    pid = status["daemon"]["pid"]
    cpu = _processor_share(pid, seconds)
    return [
        row(f"daemon: memory with {COUNT} active forwards", _rss_bytes(pid) / 1e6, "MB", "< 50"),
        row(f"daemon: processor, idle with {COUNT} active forwards", cpu * 100, "% of a core", "< 0.5"),
    ]


def _forward(number: int, port: int) -> dict[str, Any]:
    namespace, service, target_port = TARGETS[number % len(TARGETS)]
    return {
        "target": f"service/{service}",
        "targetPort": target_port,
        "namespace": namespace,
        "localPort": port,
        "method": "nodeport",
    }


def _rss_bytes(pid: int) -> int:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def _processor_share(pid: int, seconds: float) -> float:
    """Of one core, over this time, a second after the last change."""
    time.sleep(1)
    before, started = _processor_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (_processor_seconds(pid) - before) / (time.monotonic() - started)


def _processor_seconds(pid: int) -> float:
    """User and system time, proc(5): fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
