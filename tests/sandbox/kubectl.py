"""The real kubectl against a sandbox: what people type, and what they see."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True)
class Kubectl:
    """`home` keeps its cache out of the user's."""

    kubeconfig: Path
    home: Path

    async def run(self, line: str, *more: str, stdin: str = "", seconds: float = 20.0) -> Said:
        """`line` is split at blanks, `more` is not."""
        child = await self.start(line, *more)
        try:
            async with asyncio.timeout(seconds):
                out, err = await child.communicate(stdin.encode())
        except TimeoutError:
            child.kill()
            out, err = await child.communicate()
        return Said(child.returncode or 0, out.decode(), err.decode())

    async def start(self, line: str, *more: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)}
        words = [*line.split(), *more]
        return await asyncio.create_subprocess_exec(
            "kubectl", *words, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )

    async def __call__(self, line: str, *more: str, stdin: str = "") -> str:
        """Its stdout; it must succeed."""
        said = await self.run(line, *more, stdin=stdin)
        assert said.code == 0, said
        return said.out
