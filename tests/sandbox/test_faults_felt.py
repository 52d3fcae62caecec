"""Each fault by its name under a live `port-forward`: what kubectl's users feel of it, and what kfw's do."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from kfw.sandbox.faults import KINDS, NamedFaults
from kfw.sandbox.sandbox import Sandbox
from tests.kubectl_compat.programs import environment
from tests.sandbox.kubectl import needs_kubectl
from tests.until import until

pytestmark = [pytest.mark.asyncio, pytest.mark.sandbox]

KFW = (str(Path(sys.executable).with_name("kfw")), "port-forward")
KUBECTL = ("kubectl", "port-forward")
#: Seconds for what must come, on a busy machine; and for a connection that may hang.
PATIENCE, A_MOMENT = 20.0, 1.0

#: kubectl ends, and with it the port.
END_KUBECTL = {"reset", "malformed", "goaway"}
#: While it lasts kfw's new connections are served all the same: over links that stand, or that are made again.
KFW_SERVES = {
    "slow",
    "refuse",
    "forbidden",
    "expired-login",
    "expired-watches",
    "goaway",
    "no-spdy",
}
#: The first one may hang on the worker that stands still; the others find another link.
KFW_SERVES_THE_NEXT = {"poisoned"}


class Forwarding:
    def __init__(self, child: asyncio.subprocess.Process, port: int) -> None:
        self.child = child
        self.port = port

    async def serves(self, seconds: float) -> bool:
        """Whether a new connection gets the app's first line."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    return await reader.readline() == b"hello from db-0\n"
                finally:
                    writer.transport.abort()
        return False

    async def serves_again(self) -> bool:
        """Sooner or later."""
        async with asyncio.timeout(PATIENCE):
            while self.lives and not await self.serves(A_MOMENT):  # noqa: ASYNC110  # a process has no event for it
                await asyncio.sleep(0.05)
        return self.lives

    @property
    def lives(self) -> bool:
        return self.child.returncode is None


def watchers(sandbox: Sandbox) -> int:
    return len(sandbox.store._listeners)


@asynccontextmanager
async def forwarding(program: tuple[str, ...], sandbox: Sandbox, home: Path) -> AsyncIterator[Forwarding]:
    quiet = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(
        *program,
        *("-n", "demo", "svc/db", ":5432"),
        stdout=asyncio.subprocess.PIPE,
        stderr=quiet,
        env=environment(sandbox.kubeconfig, home),
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            said = (await child.stdout.readline()).decode()
        found = re.search(r":(\d+) -> 5432", said)
        assert found, said
        one = Forwarding(child, int(found[1]))
        assert await one.serves(PATIENCE)
        yield one
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


@pytest.mark.parametrize("name", KINDS)
async def test_kfw_outlives_it_and_serves_as_soon_as_it_is_over(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    faults = NamedFaults(sandbox.faults)
    before = watchers(sandbox)
    async with forwarding(KFW, sandbox, tmp_path) as one:
        # It begins to watch the service and its pods when the first connection has been served.
        await until(lambda: watchers(sandbox) >= before + 2)
        faults.begin(name)
        if name in KFW_SERVES:
            assert [await one.serves(PATIENCE) for _ in range(3)] == [True] * 3
        elif name in KFW_SERVES_THE_NEXT:
            assert await one.serves_again()
        else:
            await one.serves(A_MOMENT)
        faults.end(name)
        assert await one.serves_again()


@needs_kubectl
@pytest.mark.parametrize("name", KINDS)
async def test_kubectl_feels_it(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    faults = NamedFaults(sandbox.faults)
    async with forwarding(KUBECTL, sandbox, tmp_path) as one:
        faults.begin(name)
        await one.serves(A_MOMENT)
        faults.end(name)
        if name in END_KUBECTL:
            assert await asyncio.wait_for(one.child.wait(), PATIENCE) == 1
        else:
            assert await one.serves_again()
