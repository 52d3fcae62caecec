"""The daemon with 100 active node port forwards: its memory, and the processor time it takes when nothing happens."""

from typing import Any

from tests.bench.processes import memory, processor_share
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


def rows(config: Config) -> list[Row]:
    kfw = Kfw(config.rig.kubeconfig)
    try:
        return _measure(kfw, seconds=10 if config.short else 30)
    finally:
        kfw.close()


def _measure(kfw: Kfw, seconds: float) -> list[Row]:
    kfw.configure({f"f{number}": _forward(number, port) for number, port in enumerate(free_ports(COUNT))})
    kfw("up")
    status = kfw.json("status")
    active = [forward for forward in status["forwards"] if forward["status"] == "active"]
    assert len(active) == COUNT, f"{len(active)} of {COUNT} are active"
    pid = status["daemon"]["pid"]
    cpu = processor_share(pid, seconds)
    return [
        row(f"daemon: memory with {COUNT} active forwards", memory(pid), "MB", "< 50"),
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
