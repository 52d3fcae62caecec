"""usage: python -m tests.bench.sandbox_process DIRECTORY SERVICES

A sandbox with so many services of one pod each, in a process of its own, so that its work is not the bench's; its kubeconfig
is the one line of its output. It ends with its stdin.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfw.sandbox.manifests import deployment, namespace, port, service
from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.objects import Object
from kfw.sandbox.sandbox import Sandbox

NAMESPACES = 8
#: Seconds until all its pods serve.
_PATIENCE = 60


@dataclass(frozen=True)
class BenchSandbox:
    kubeconfig: Path
    pid: int
    services: int

    def forwards(self, ports: list[int]) -> dict[str, dict[str, Any]]:
        """One for each port; the services take turns."""
        return {
            f"f{number}": self._forward(number % self.services, port) for number, port in enumerate(ports)
        }

    def _forward(self, number: int, local_port: int) -> dict[str, Any]:
        return {
            "target": f"service/app{number}",
            "targetPort": 80,
            "namespace": f"ns{number % NAMESPACES}",
            "localPort": local_port,
            "method": "tunnel",
        }


@contextmanager
def sandbox(services: int) -> Iterator[BenchSandbox]:
    with tempfile.TemporaryDirectory(prefix="kfw-bench-") as directory:
        pipe = subprocess.PIPE
        argv = [sys.executable, "-m", "tests.bench.sandbox_process", directory, str(services)]
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True)
        assert process.stdin and process.stdout
        try:
            kubeconfig = process.stdout.readline().strip()
            assert kubeconfig, "the sandbox has not started"
            yield BenchSandbox(Path(kubeconfig), process.pid, services)
        finally:
            process.stdin.close()
            process.stdout.close()
            try:
                process.wait(_PATIENCE)
            finally:
                process.kill()


def _objects(services: int) -> Iterator[Object]:
    for number in range(NAMESPACES):
        yield namespace(f"ns{number}")
    for number in range(services):
        where, name = f"ns{number % NAMESPACES}", f"app{number}"
        yield deployment(where, name, ports={"http": 8080})
        yield service(where, name, port(80, "http"), kind="ClusterIP")


async def _serve(directory: Path, services: int) -> None:
    at_once = Behaviour(start_after=0.0, ready_after=0.0, drain=0.0)
    async with Sandbox(directory, objects=_objects(services), usual=at_once) as here:
        print(here.kubeconfig, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
