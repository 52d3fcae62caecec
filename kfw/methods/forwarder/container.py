"""The forwarder containers: one for each kind cluster, started for its first forward, ended with the last."""

import asyncio
import hashlib
import logging
import os
import socket
from collections.abc import Iterable, Mapping

from kfw import paths
from kfw.cluster import docker, kind
from kfw.errors import KfwError, TimedOut
from kfw.methods.forwarder import lines
from kfw.methods.forwarder.ask import ask
from kfw.methods.forwarder.dial import shake_hands
from kfw.methods.supervised import first, logged
from kfw.model import Reason
from kfw.relay.tcp import connect
from kfw.system import identity
from kfw.system.process import Child, Children

log = logging.getLogger("kfw.forward")

#: Seconds until a container must answer; the first time its image is fetched.
START = 90.0
#: Seconds between two looks whether it does. Colima's and Lima's ports follow some seconds after the container's.
_PAUSE = 0.1
#: Seconds for which a failed start is not tried again: another method carries meanwhile.
_FAILED_HOLDS = 300.0
#: Seconds that a container gets to end; socat needs none.
_GRACE = 3.0


def owner() -> str:
    """Whose containers these are: this user's kfw on this machine, also where many share one engine."""
    return hashlib.sha256(f"{socket.gethostname()}:{paths.state_dir()}".encode()).hexdigest()[:12]


class Container:
    """One that runs. `users` are the forwards that go through it."""

    def __init__(self, name: str, child: Child, nodes: frozenset[str], port: int) -> None:
        self.name = name
        self.child = child
        self.nodes = nodes
        self.port = port
        self.users = 0


class Containers:
    """Of this process. Forwards of one cluster that are opened together start one."""

    def __init__(self, children: Children, env: Mapping[str, str] = os.environ) -> None:
        self._children = children
        self._env = env
        self._running: dict[str, Container] = {}
        self._failed: dict[str, tuple[float, KfwError]] = {}
        self._turn = asyncio.Lock()

    async def borrow(self, tool: str, cluster: str, nodes: Iterable[str]) -> Container:
        """One that reaches these nodes; give it back. Raises KfwError with docker's words."""
        wanted = frozenset(nodes)
        async with self._turn:
            there = self._running.get(cluster)
            if there is None or there.child.over.done() or not wanted <= there.nodes:
                there = await self._started(tool, cluster, wanted)
            there.users += 1
            return there

    async def give_back(self, container: Container) -> None:
        async with self._turn:
            container.users -= 1
            if container.users == 0:
                self._running = {name: one for name, one in self._running.items() if one is not container}
                await container.child.stop(_GRACE)

    async def _started(self, tool: str, cluster: str, nodes: frozenset[str]) -> Container:
        """An older one goes on for the forwards that use it."""
        loop = asyncio.get_running_loop()
        since, why = self._failed.get(cluster, (-_FAILED_HOLDS, None))
        if why and loop.time() - since < _FAILED_HOLDS:
            raise why
        try:
            made = await self._start(tool, cluster, nodes)
        except KfwError as error:
            self._failed[cluster] = (loop.time(), error)
            raise
        self._failed.pop(cluster, None)
        self._running[cluster] = made
        return made

    async def _start(self, tool: str, cluster: str, nodes: frozenset[str]) -> Container:
        await self._clean(tool)
        name = lines.name(cluster, os.getpid())
        if cluster in self._running:
            name = f"{name}-{len(nodes)}"  # beside the one that does not know all nodes
        seen = identity.look(os.getpid())
        labels = {
            lines.OWNER: owner(),
            lines.CLUSTER: cluster,
            lines.PROCESS: f"{os.getpid()}:{seen.start if seen else ''}",
        }
        network = kind.network(self._env)
        line = lines.run(tool, name, await self._image(tool), network, sorted(nodes), labels)
        on_line = logged(f"kind-{cluster}", name, _level)
        child = await self._children.start(line, label=f"kind-{cluster}", on_line=on_line)
        try:
            return Container(name, child, nodes, await self._ready(tool, name, child))
        except BaseException:
            await child.stop(_GRACE)
            raise

    async def _ready(self, tool: str, name: str, child: Child) -> int:
        """The port on 127.0.0.1, once socat answers through it."""
        try:
            async with asyncio.timeout(START):
                while True:
                    await first(child.over, seconds=_PAUSE)
                    if child.over.done():
                        raise _ended(child)
                    answer = await ask(self._children, docker.published_port(name, lines.PORT, tool))
                    port = docker.port_of(answer.out)
                    if port and await _answers(port):
                        return port
        except TimeoutError:
            what = f"the container {name} did not answer within {START:g} s"
            raise TimedOut(what, f"{tool} logs {name}") from None

    async def _image(self, tool: str) -> str:
        """What the user named, else one that is here and has what it takes, else one that docker fetches."""
        if named := self._env.get("KFW_FORWARDER_IMAGE"):
            return named
        here = docker.ids((await ask(self._children, docker.labelled_images(lines.IMAGE_LABEL, tool))).out)
        return here[0] if here else lines.IMAGE

    async def _clean(self, tool: str) -> None:
        """Containers of this kfw whose process is gone; nobody else's, and none of another process of ours."""
        found = docker.ids((await ask(self._children, docker.labelled(ours(), tool))).out)
        if not found:
            return
        told = docker.containers((await ask(self._children, docker.inspect(found, tool))).out)
        if gone := leftovers(told):
            log.warning("removing %d forwarder containers of a kfw that was killed", len(gone))
            await ask(self._children, docker.remove(gone, tool))


async def _answers(port: int) -> bool:
    try:
        sock = await connect("127.0.0.1", port, 1.0)
    except OSError:
        return False
    try:
        await shake_hands(sock, lines.PING, 1.0)
    except OSError:
        return False
    finally:
        sock.close()
    return True


def leftovers(told: Iterable[docker.Container]) -> list[str]:
    """Ids of those of our containers whose process is gone."""
    return [one.id for one in told if not _lives(one.labels.get(lines.PROCESS, ""))]


def ours() -> dict[str, str | None]:
    """The labels of the containers that any process of this kfw has started."""
    return {lines.OWNER: owner(), lines.PROCESS: None}


def _lives(process: str) -> bool:
    pid, _, start = process.partition(":")
    seen = identity.look(int(pid)) if pid.isdecimal() else None
    return seen is not None and seen.start == start


def _ended(child: Child) -> KfwError:
    said = [
        line
        for line in child.last_words().splitlines()
        if not line.startswith(("Unable to find image", "Run '"))
    ]
    what = f"the forwarder container did not start: {said[-1] if said else child.how_it_ended()}"
    fix = "name an image with sh and socat that is there: KFW_FORWARDER_IMAGE=…"
    return KfwError(what, fix, reason=Reason.CHILD_EXITED)


def _level(stream: str, line: str) -> int:
    return logging.INFO if " E " in line else logging.DEBUG
