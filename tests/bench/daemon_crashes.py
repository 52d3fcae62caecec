"""A child that says 50 KB and dies, 200 times in a row: a stub in kubectl's place, as no real one can be made to do so."""

import os
import tempfile
import time
from pathlib import Path

from kfw.daemon.logs import BACKUPS, MAX_BYTES
from tests.bench.processes import processor_seconds
from tests.bench.row import Config, Row, row
from tests.bench.sandbox_process import sandbox
from tests.real.talk import free_ports
from tests.whole.program import Program

#: Of 100 bytes each.
LINES = 500
_STUB = """\
#!/bin/sh
echo >> {calls}
yes 'a line of a child that has much to say, and none of it helps: {dots}' | head -n {lines} >&2
exit 1
"""
#: Seconds that all may take.
_PATIENCE = 600.0


def rows(config: Config) -> list[Row]:
    crashes = 40 if config.short else 200
    with sandbox(1) as here, tempfile.TemporaryDirectory(prefix="kfw-bench-") as folder:
        stub, calls = Path(folder, "kubectl"), Path(folder, "calls")
        stub.write_text(_STUB.format(calls=calls, lines=LINES, dots="." * 35))
        stub.chmod(0o755)
        kfw = Program(here.kubeconfig, {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"})
        try:
            return _crashes(kfw, here.forwards(free_ports(1)), calls, crashes)
        finally:
            kfw.close()


def _crashes(kfw: Program, forwards: dict[str, dict[str, object]], calls: Path, crashes: int) -> list[Row]:
    retry = {"initialDelay": "0.2s", "maxDelay": "0.25s"}
    kfw.configure({name: one | {"method": "kubectl", "retry": retry} for name, one in forwards.items()})
    kfw("start")
    pid, began = kfw.daemon_pid(), time.monotonic()
    used = processor_seconds(pid)
    kfw("up", "--no-wait")
    while (seen := _count(calls)) < crashes:
        assert time.monotonic() - began < _PATIENCE, f"only {seen} crashes after {_PATIENCE:g} s\n{kfw.log()}"
        time.sleep(0.2)
    share = (processor_seconds(pid) - used) / (time.monotonic() - began)
    logs = [file.stat().st_size for file in (kfw.home / "state").glob("kfw.log*")]
    what = f"daemon: {crashes} crashes of a child, each with {LINES * 100 / 1000:g} KB of output"
    return [
        row(f"{what}, the daemon is the same", float(kfw.daemon_pid() == pid), "yes", "== 1"),
        row(f"{what}, its processor", share * 100, "% of a core", "< 20"),
        row(f"{what}, its log files", sum(logs) / 1e6, "MB", f"< {(BACKUPS + 1) * MAX_BYTES / 1e6 + 0.1:g}"),
        row(f"{what}, number of its log files", len(logs), "files", f"<= {BACKUPS + 1}"),
    ]


def _count(calls: Path) -> int:
    return len(calls.read_bytes()) if calls.exists() else 0
