"""What `kfw demo` brings to localhost, and its trial.

Five services of the sandbox, and one of them again by each way there is; connections all the time, pods that are ended,
and perhaps a fault.
"""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from kfw.choices import METHODS
from kfw.commands import _output as output
from kfw.model import Forward, Target
from kfw.sandbox import process
from kfw.sandbox.load_test import ProvedPort, Remote, Result, once, trial

#: A status of the daemon, as it is on the wire.
Row = dict[str, Any]
#: The methods that lead to the sandbox, and are compared by so many connections each.
WAYS = ("nodeport", "tunnel", "socat", "kubectl")
SAMPLES = 5


@dataclass(frozen=True)
class DemoService:
    """`says` is what its pods say; `method` how it comes here when nothing else is asked for."""

    namespace: str
    service: str
    port: str
    local_port: int
    says: str
    method: str


FIVE = (
    DemoService("wso2-amp", "amp-console", "http", 3000, "the console", "auto"),
    DemoService("wso2-amp", "amp-api", "http", 8080, "the API", "tunnel"),
    DemoService(
        "openchoreo-observability-plane", "amp-traces-observer", "http", 9098, "the traces observer", "auto"
    ),
    DemoService(
        "openchoreo-observability-plane", "data-prepper", "otlp-traces", 21893, "the data prepper", "tunnel"
    ),
    DemoService("openchoreo-data-plane", "gateway-external", "https", 8443, "the gateway", "tunnel"),
)


def five(kubeconfig: str, method: str | None) -> list[Forward]:
    """Named apart from those of the quick start, which may be up at the same time."""
    return [
        _forward(f"demo-{one.service}", one, kubeconfig, method or one.method, one.local_port) for one in FIVE
    ]


def by_each_way(kubeconfig: str, method: str | None) -> dict[str, Forward]:
    """By method: the first of the five on any port, by every way whose tool is here."""
    ways = [method] if method and method != "auto" else WAYS
    return {
        way: _forward(f"demo-by-{way}", FIVE[0], kubeconfig, way, 0)
        for way in ways
        if not METHODS[way].tool or shutil.which(METHODS[way].tool)
    }


def _forward(name: str, one: DemoService, kubeconfig: str, method: str, local_port: int) -> Forward:
    return Forward(
        name=name,
        target=Target.parse(f"service/{one.service}"),
        target_port=one.port,
        local_port=local_port,
        namespace=one.namespace,
        context="kfw-sandbox",
        kubeconfig=(kubeconfig,),
        method=method,
        on_port_in_use="next",
        type="web",
        source="kfw demo",
    )


def connect_by_each(rows: Sequence[Row]) -> dict[str, float]:
    """Seconds that a connection took, by method: the median of some, after one that need not count, as the first finds
    nothing ready. What does not work is told of and left out."""
    took: dict[str, float] = {}
    for row in rows:
        try:
            if row["status"] != "active":
                raise ValueError(f"it is not up: {row['message'] or row['status']}")
            place = ProvedPort(row["name"], row["localPort"], FIVE[0].says)
            _, *counted = [asyncio.run(once(place)) for _ in range(1 + SAMPLES)]
            took[row["method"]] = median(counted)
        except (OSError, TimeoutError, ValueError) as problem:
            output.say(f"{row['name']}: {str(problem) or type(problem).__name__}")
    return took


def run(
    rows: Sequence[Row], url: str, directory: Path, seconds: float, every: float, fault: str | None
) -> Result:
    """Connect to all `rows` for `seconds`, ending a pod `every` so many; the fault is in the middle third.

    `url` and `directory` are the sandbox's. Raises KfwError when that does not do as it is told.
    """
    says = {f"demo-{one.service}": one.says for one in FIVE}
    places = [
        ProvedPort(row["name"], row["localPort"], says[row["name"]], tls=row["targetPort"] == "https")
        for row in rows
    ]
    remote = Remote(url, directory)
    turns = cycle(FIVE)
    broken = asyncio.Event()  # nobody can end pods then

    async def end_pod() -> str | None:
        one = next(turns)
        return (
            None if broken.is_set() else await asyncio.to_thread(_end_one, remote, one.namespace, one.service)
        )

    async def all_of_it() -> Result:
        breaking = asyncio.create_task(_break(directory, fault, seconds / 3, broken))
        try:
            return await trial(places, end_pod, seconds=seconds, every=every)
        finally:
            await breaking

    return asyncio.run(all_of_it())


async def _break(directory: Path, fault: str | None, third: float, broken: asyncio.Event) -> None:
    if fault is None:
        return
    await asyncio.sleep(third)
    broken.set()
    await asyncio.to_thread(process.fault, directory, fault, on=True)
    output.say(f"fault: {fault}, for {third:g} s ...")
    try:
        await asyncio.sleep(third)
    finally:
        await asyncio.to_thread(process.fault, directory, fault, on=False)
        broken.clear()


def _end_one(remote: Remote, namespace: str, service: str) -> str | None:
    """None: the one that was ended before has no successor yet, on a slow machine."""
    pods = remote.ready_pods(namespace, service)
    if not pods:
        return None
    remote.delete_pod(namespace, pods[0])
    return pods[0]
