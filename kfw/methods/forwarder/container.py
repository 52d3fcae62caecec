"""The forwarder containers: one for each kind cluster, started for its first forward, ended with the last.

Whose one is, its labels say: only what is ours, and whose process is gone, is ever removed.
"""

import asyncio
import errno
import logging
import os
import socket
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count

from kfw import paths
from kfw.backoff import Backoff
from kfw.engine import docker, kind
from kfw.engine.docker import EngineContainer
from kfw.engine.reachability import Here
from kfw.errors import KfwError, TimedOut
from kfw.methods.forwarder.kind_nodes import ask
from kfw.methods.nodeport import Connect
from kfw.methods.supervised import first, logged
from kfw.model import Endpoint, Reason
from kfw.relay.dialer import connect
from kfw.system import process_identity
from kfw.system.local_ports import address_to_connect
from kfw.system.own_container import in_container
from kfw.system.process import Child, Children
from kfw.system.shell import CommandAnswer

#: Where the container listens.
PORT = 7000
#: On every container that kfw starts: whose it is, for which cluster, and the process that sees to it (`PID:START`).
OWNER = "io.kfw.owner"
CLUSTER = "io.kfw.forwarder"
PROCESS = "io.kfw.process"
#: On images that have sh and socat: the quick start's is one.
IMAGE_LABEL = "io.kfw.socat=true"
#: socat 1.8.0.0, for amd64 and arm64.
IMAGE = "alpine/socat:1.8.0.0@sha256:a6be4c0262b339c53ddad723cdd178a1a13271e1137c65e27f90a08c16de02b8"

CONNECTED = b"+"
#: What the container answers when it is ready, without a connection anywhere.
PING = b"ping\n"

#: sh may have been told to run a login shell or socat by the image, so it is named as the entry point.
_LISTEN = rf"""exec socat TCP-LISTEN:{PORT},fork,reuseaddr 'SYSTEM:eval \"$KFW_DIAL\",nofork'"""
#: For each connection, which is stdin and stdout. Only nodes of the cluster: it is not a proxy for the rest of the network.
_DIAL = r"""read -r node port || exit 1
[ "$node" != ping ] || exec printf +
case " $KFW_NODES " in *" $node "*) ;; *) exit 1 ;; esac
case $port in "" | *[!0-9]*) exit 1 ;; esac
exec 3<&0
exec socat "TCP:$node:$port,connect-timeout=3" 'SYSTEM:eval \"$KFW_RELAY\",nofork'
"""
#: Once connected: the client is 3, the node stdin. An end of file goes on as one; the other side has an hour to answer.
_RELAY = "printf + >&3; exec socat -b131072 -t 3600 FD:3,shut-down FD:0,shut-down"


def container_name(cluster: str, pid: int, number: int) -> str:
    """Never the same again: docker may still be removing the one before."""
    return f"kfw-forwarder-{cluster}-{pid}-{number}"


def run_argv(
    tool: str, container: str, image: str, network: str, nodes: Iterable[str], labels: Mapping[str, str]
) -> list[str]:
    """In the foreground: its end is the container's, and TERM goes through to it."""
    env = {"KFW_NODES": " ".join(nodes), "KFW_DIAL": _DIAL, "KFW_RELAY": _RELAY}
    return [
        *(tool, "run", "--rm", "--name", container, "--network", network),
        *("--publish", f"127.0.0.1::{PORT}"),
        *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--user", "65534:65534"),
        *(word for key, value in env.items() for word in ("--env", f"{key}={value}")),
        *("--entrypoint", "sh", image, "-c", _LISTEN),
    ]


def preface(node: str, port: int) -> bytes:
    return f"{node} {port}\n".encode()


log = logging.getLogger("kfw.forward")

#: Seconds until a container must answer; the first time its image is fetched.
START = 90.0
#: Seconds between two looks whether it does, at first and at last. Colima's ports follow some seconds after the container's.
_PAUSES = Backoff(0.1, 1.0, multiplier=1.5)
#: Seconds for which `auto` does not try a failed start again: another method carries meanwhile.
_FAILED_HOLDS = 300.0
#: Seconds that a container gets to end; socat needs none.
_GRACE = 3.0
#: Of the containers of this process, whichever docker has them: so no two have one name.
_NUMBERS = count(1)


class ForwarderContainer:
    """One that runs. `users` are the forwards that go through it."""

    def __init__(
        self, tool: str, cluster: str, name: str, child: Child, nodes: frozenset[str], port: int
    ) -> None:
        self.tool = tool
        self.cluster = cluster
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
        self._running: dict[str, ForwarderContainer] = {}
        self._failed: dict[str, tuple[float, KfwError]] = {}
        self._turns: dict[str, asyncio.Lock] = defaultdict(
            asyncio.Lock
        )  # a slow start holds up its own cluster only

    async def borrow(
        self, tool: str, cluster: str, nodes: Iterable[str], *, again: bool
    ) -> ForwarderContainer:
        """One that reaches these nodes; give it back. `again`: try also when that has failed a moment ago.

        Raises KfwError with docker's words.
        """
        wanted = frozenset(nodes)
        async with self._turns[cluster]:
            there = self._running.get(cluster)
            if there is None or there.child.over.done() or not wanted <= there.nodes:
                there = await self._started(tool, cluster, wanted, again=again)
            there.users += 1
            return there

    async def give_back(self, container: ForwarderContainer) -> None:
        async with self._turns[container.cluster]:
            container.users -= 1
            if container.users == 0:
                if self._running.get(container.cluster) is container:
                    del self._running[container.cluster]
                await self._end(container.tool, container.name, container.child)

    async def _started(
        self, tool: str, cluster: str, nodes: frozenset[str], *, again: bool
    ) -> ForwarderContainer:
        """An older one goes on for the forwards that use it."""
        loop = asyncio.get_running_loop()
        since, why = self._failed.get(cluster, (-_FAILED_HOLDS, None))
        if why and not again and loop.time() - since < _FAILED_HOLDS:
            raise why
        try:
            made = await self._start(tool, cluster, nodes)
        except KfwError as error:
            self._failed[cluster] = (loop.time(), error)
            raise
        self._failed.pop(cluster, None)
        self._running[cluster] = made
        return made

    async def _start(self, tool: str, cluster: str, nodes: frozenset[str]) -> ForwarderContainer:
        await self._clean(tool)
        labels = {**labels_of(os.getpid()), CLUSTER: cluster}
        name = container_name(cluster, os.getpid(), next(_NUMBERS))
        network = kind.network(self._env)
        line = run_argv(tool, name, await self._image(tool), network, sorted(nodes), labels)
        on_line = logged(f"kind-{cluster}", name, _level)
        child = await self._children.start(line, label=f"kind-{cluster}", base=self._env, on_line=on_line)
        try:
            port = await self._ready(tool, name, child)
        except BaseException:
            await self._end(tool, name, child)
            raise
        return ForwarderContainer(tool, cluster, name, child, nodes, port)

    async def _ready(self, tool: str, name: str, child: Child) -> int:
        """The port on 127.0.0.1, once socat answers through it."""
        looks = 0
        try:
            async with asyncio.timeout(START):
                while True:
                    looks += 1
                    await first(child.over, seconds=_PAUSES.after(looks))
                    if child.over.done():
                        raise _ended(child, Here(sys.platform, in_container(self._env), self._env), tool)
                    answer = await self._ask(docker.published_port(name, PORT, tool))
                    port = docker.port_of(answer.out)
                    if port and await _answers(port):
                        return port
        except TimeoutError:
            what = f"the container {name} did not answer within {START:g} s"
            raise TimedOut(what, f"{tool} logs {name}") from None

    async def _end(self, tool: str, name: str, child: Child) -> None:
        """TERM goes through docker's command to the container. If that command was killed, the container lives on."""
        await child.stop(_GRACE)
        if child.over.done() and child.over.result() < 0:
            with suppress(KfwError):
                await self._ask(docker.remove([name], tool))

    async def _image(self, tool: str) -> str:
        """What the user named, else one that is here and has what it takes, else one that docker fetches."""
        if named := self._env.get("KFW_FORWARDER_IMAGE"):
            return named
        here = docker.ids((await self._ask(docker.labelled_images(IMAGE_LABEL, tool))).out)
        return here[0] if here else IMAGE

    async def _ask(self, argv: Sequence[str]) -> CommandAnswer:
        return await ask(self._children, argv, self._env)

    async def _clean(self, tool: str) -> None:
        """Containers of this kfw whose process is gone; nobody else's, and none of another process of ours."""
        found = docker.ids((await self._ask(docker.labelled(ours(), tool))).out)
        if not found:
            return
        told = docker.containers((await self._ask(docker.inspect(found, tool))).out)
        if gone := leftovers(told):
            log.warning("removing %d forwarder containers of a kfw that was killed", len(gone))
            await self._ask(docker.remove(gone, tool))


async def _answers(port: int) -> bool:
    try:
        sock = await connect("127.0.0.1", port, 1.0)
    except OSError:
        return False
    try:
        await shake_hands(sock, PING, 1.0)
    except OSError:
        return False
    finally:
        sock.close()
    return True


def _ended(child: Child, here: Here, tool: str) -> KfwError:
    said = [
        line
        for line in child.last_words().splitlines()
        if not line.startswith(("Unable to find image", "Run '"))
    ]
    words = said[-1] if said else child.how_it_ended()
    what = f"the forwarder container did not start: {words}"
    from kfw.engine.causes import Said, cause_of  # a large table, for an engine that refuses

    known = cause_of(Said(words, here, tool))
    fix = "name an available image with sh and socat: KFW_FORWARDER_IMAGE=…"
    if known and not known[0].of_the_image:
        fix = known[0].fix_for(Said(words, here, tool), known[1])
    return KfwError(what, fix, reason=Reason.CHILD_EXITED)


def _level(stream: str, line: str) -> int:
    return logging.INFO if " E " in line else logging.DEBUG


def owner() -> str:
    """Whose containers these are: this user's kfw on this machine, also where many share one engine."""
    import hashlib  # 0.6 MB that a daemon without containers does without

    return hashlib.sha256(f"{socket.gethostname()}:{paths.state_dir()}".encode()).hexdigest()[:12]


def labels_of(pid: int) -> dict[str, str]:
    """For the containers of this process of ours."""
    seen = process_identity.look(pid)
    return {OWNER: owner(), PROCESS: f"{pid}:{seen.start if seen else ''}"}


def leftovers(told: Iterable[EngineContainer]) -> list[str]:
    """Ids of those of our containers whose process is gone."""
    return [one.id for one in told if not _lives(one.labels.get(PROCESS, ""))]


def ours() -> dict[str, str | None]:
    """The labels of the containers that any process of this kfw has started."""
    return {OWNER: owner(), PROCESS: None}


def _lives(process: str) -> bool:
    pid, _, start = process.partition(":")
    seen = process_identity.look(int(pid)) if pid.isdecimal() else None
    return seen is not None and seen.start == start


def to_published(ports: Mapping[Endpoint, tuple[str, int]]) -> Connect:
    """`ports`: where docker publishes each node's port on this machine."""

    async def connect_to(node: Endpoint, timeout: float) -> socket.socket:
        address, port = ports[node]
        return await connect(address_to_connect(address), port, timeout)

    return connect_to


def through_container(port: int) -> Connect:
    """`port`: the container's on 127.0.0.1."""

    async def connect_to(node: Endpoint, timeout: float) -> socket.socket:
        sock = await connect("127.0.0.1", port, timeout)
        try:
            await shake_hands(sock, preface(node.name, node.port), timeout)
        except BaseException:
            sock.close()
            raise
        return sock

    return connect_to


async def shake_hands(sock: socket.socket, greeting: bytes, timeout: float) -> None:
    """Raises OSError unless the container says that it is connected; it ends at once where it is refused."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            await loop.sock_sendall(sock, greeting)
            answer = await loop.sock_recv(sock, len(CONNECTED))
    except TimeoutError:
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {timeout:g} s") from None
    if answer != CONNECTED:
        raise ConnectionRefusedError("the forwarder container cannot connect to it")
