"""Being the sandbox's process: until a signal comes, with a record of itself for those who look for it."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from kfw.errors import KfwError
from kfw.sandbox.faults import NamedFaults
from kfw.sandbox.process import RECORD, WANTED, Record
from kfw.sandbox.sandbox import Sandbox
from kfw.system import process_identity
from kfw.system.files import lock, make_private_dir, read_bounded, write_atomic

log = logging.getLogger(__name__)


async def serve(directory: Path, signals: Iterable[signal.Signals]) -> None:
    """Be the sandbox of this directory until one of the signals comes. Raises KfwError when there is one already."""
    over = asyncio.Event()
    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    make_private_dir(directory)
    with lock(directory / "lock", f"the sandbox in {directory}"):
        try:
            async with Sandbox(directory) as sandbox:
                me = _Me(
                    directory,
                    sandbox.url,
                    sandbox.kubeconfig,
                    sandbox.nodes,
                    NamedFaults(sandbox.faults),
                )
                asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, me.obey)
                me.tell()
                log.info("ready: %s, nodes %s", sandbox.url, ", ".join(sandbox.nodes.values()))
                await over.wait()
        except OSError as problem:
            raise KfwError(f"cannot run the sandbox: {problem}") from problem
        finally:
            (directory / RECORD).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Me:
    """What this process says of itself, and what it is told."""

    directory: Path
    url: str
    kubeconfig: Path
    nodes: Mapping[str, str]
    faults: NamedFaults
    started_at: float = field(default_factory=time.time)

    def tell(self) -> None:
        me = process_identity.look(os.getpid())
        assert me is not None
        facts = (me.pid, me.start, me.command, self.url, str(self.kubeconfig), self.started_at)
        record = Record(*facts, dict(self.nodes), self.faults.begun)
        write_atomic(self.directory / RECORD, msgspec.json.encode(record))

    def obey(self) -> None:
        wanted = msgspec.json.decode(read_bounded(self.directory / WANTED), type=list[str])
        for kind in (*self.faults.begun, *wanted):
            (self.faults.begin if kind in wanted else self.faults.end)(kind)
        log.info("faults: %s", ", ".join(self.faults.begun) or "none")
        self.tell()
