"""The trial of `kfw demo`: connections all the time, pods that are ended, and perhaps a fault."""

import asyncio
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from kfw.commands import output
from kfw.commands.demo_forwards import FIVE
from kfw.sandbox import process
from kfw.sandbox.load_test import Place, Result, once, trial
from kfw.sandbox.remote import Remote

#: A status of the daemon, as it is on the wire.
Row = dict[str, Any]


def connect_once(rows: Sequence[Row]) -> dict[str, float]:
    """Seconds that one connection took, by method. What does not work is told of and left out."""
    took: dict[str, float] = {}
    for row in rows:
        try:
            if row["status"] != "active":
                raise ValueError(f"it is not up: {row['message'] or row['status']}")
            took[row["method"]] = asyncio.run(once(Place(row["name"], row["localPort"], FIVE[0].says)))
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
        Place(row["name"], row["localPort"], says[row["name"]], tls=row["targetPort"] == "https")
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
