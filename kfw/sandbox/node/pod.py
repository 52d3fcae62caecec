"""One pod that really serves: its containers' ports, its live connections, what it said, and how all of it ends."""

import asyncio
import socket
import ssl
from asyncio import StreamWriter
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from kfw.sandbox.node.behaviour import environment
from kfw.sandbox.node.workloads import Box, Workload, workload
from kfw.sandbox.objects import Object, labels_of, name_of, namespace_of, rfc3339_micro, seconds_of
from kfw.system.tls_streams import open_accepted

#: Lines kept for each pod.
LINES = 1000
_ANYWHERE = ("127.0.0.1", 0)


class ServingPod:
    """Nothing listens here: connections are handed in, by node ports or by a tunnel.

    `tls` is what kfw/tls shows; `now` gives the time in seconds since 1970.
    """

    def __init__(self, pod: Object, pod_ip: str, tls: ssl.SSLContext, now: Callable[[], float]) -> None:
        self.log = PodLog()
        self.ip = pod_ip
        self._ports = served_ports(pod)
        self._tls = tls
        self._serving = False
        self._listening = False
        self._live: dict[asyncio.Task[None], StreamWriter | None] = {}
        #: Called when the last connection has ended.
        self.when_idle: Callable[[], None] = lambda: None
        self._box = Box(_facts(pod, pod_ip), lambda line: self.log.say(now(), line))

    @property
    def connections(self) -> int:
        return len(self._live)

    def start(self) -> None:
        self._serving = True

    def listen(self, *, on: bool) -> None:
        """Its ports are open, or refuse; connections that live go on."""
        if on == self._listening:
            return
        self._listening = on
        if not on:
            self._box.say("its ports are closed")
            return
        for port, one in sorted(self._ports.items()):
            self._box.say(f"listening on {port}{' with TLS' if one.tls else ''}")

    def drain(self) -> None:
        """It was told to end: HTTP answers say so, and the rest goes on."""
        self._box.draining = True
        self._box.say(f"told to end, {self.connections} open connections")

    def stop(self, why: str) -> None:
        """It has ended: live connections are cut."""
        if self._serving:
            self._box.say(f"ended: {why}")
        self._serving = self._listening = False
        for task, writer in list(self._live.items()):
            if writer is not None:
                writer.transport.abort()
            task.cancel()

    def accept(self, connection: socket.socket, port: int) -> bool:
        """Serve this connection on the container port; False: nothing serves there, and the caller closes it."""
        one = self._ports.get(port)
        if one is None or not (self._serving and self._listening):
            return False
        task = asyncio.create_task(self._serve(connection, port, one), name=f"{self._box.pod}:{port}")
        self._live[task] = None
        task.add_done_callback(self._on_end)
        return True

    def connect(self, port: int) -> socket.socket | None:
        """A connection to the container port, as from inside the pod; None: refused. Raises OSError."""
        near, far = connected_pair()
        if self.accept(far, port):
            return near
        near.close()
        far.close()
        return None

    def _on_end(self, task: asyncio.Task[None]) -> None:
        del self._live[task]
        if not self._live:
            self.when_idle()

    async def wait_until_closed(self) -> None:
        """When stopped: wait until the tasks of all connections are over."""
        await asyncio.gather(*self._live, return_exceptions=True)

    async def _serve(self, connection: socket.socket, port: int, one: Workload) -> None:
        tls = self._tls if one.tls else None
        try:
            reader, writer = await open_accepted(connection, 256 * 1024, tls)
        except OSError:  # the client left, or does not speak TLS
            return
        transport = writer.transport
        task = asyncio.current_task()
        if task in self._live:
            self._live[task] = writer
        try:
            with suppress(ConnectionError, ssl.SSLError):
                await one.serve(self._box, port, reader, writer)
                await _finish(writer)
        finally:
            transport.abort()


async def _finish(writer: StreamWriter) -> None:
    """Everything written reaches the client before the connection is closed."""
    writer.close()
    await writer.wait_closed()


def served_ports(pod: Object) -> dict[int, Workload]:
    """The workload behind each container port; containers with an unknown image serve nothing."""
    ports: dict[int, Workload] = {}
    for container in pod["spec"]["containers"]:
        if one := workload(container["image"]):
            named = [int(port["containerPort"]) for port in container.get("ports") or []]
            ports |= dict.fromkeys(named or [one.port], one)
    return ports


def _facts(pod: Object, pod_ip: str) -> dict[str, Any]:
    """What the HTTP workloads tell; `says` is the environment's KFW_SAYS, for telling apps apart by their words."""
    app = labels_of(pod).get("app", "")
    facts = {
        "pod": name_of(pod),
        "namespace": namespace_of(pod),
        "node": pod["spec"]["nodeName"],
        "podIP": pod_ip,
    }
    facts |= {"app": app} if app else {}
    said = environment(pod).get("KFW_SAYS")
    return facts | ({"says": said} if said else {})


class PodLog:
    def __init__(self) -> None:
        self._lines: deque[tuple[float, str]] = deque(maxlen=LINES)
        self._count = 0  # of all lines ever
        self._changed = asyncio.Event()
        self._on_end = False

    def say(self, time: float, line: str) -> None:
        self._lines.append((time, line))
        self._count += 1
        self._wake()

    def end(self) -> None:
        """Nothing more will be said: readers that follow get their end."""
        self._on_end = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def read(self, query: Mapping[str, str], now: float) -> AsyncGenerator[bytes, None]:
        """`query` is that of a request for pods/log; `now` in seconds since 1970."""
        since = _since(query, now)
        stamps = query.get("timestamps") == "true"
        left = int(query["limitBytes"]) if "limitBytes" in query else None
        seen = self._count
        lines = [one for one in self._lines if one[0] >= since]
        if "tailLines" in query:
            lines = lines[max(0, len(lines) - int(query["tailLines"])) :]
        while True:
            data = b"".join(_line(time, line, stamps=stamps) for time, line in lines)
            if left is not None:
                data, left = data[:left], left - len(data[:left])
            if data:
                yield data
            if query.get("follow") != "true" or self._on_end or left == 0:
                return
            if seen == self._count:
                await self._changed.wait()
            fresh = min(self._count - seen, len(self._lines))
            lines = list(islice(self._lines, len(self._lines) - fresh, None))
            seen = self._count


def _since(query: Mapping[str, str], now: float) -> float:
    if "sinceTime" in query:
        return seconds_of(query["sinceTime"])
    return now - float(query["sinceSeconds"]) if "sinceSeconds" in query else 0.0


def _line(time: float, line: str, *, stamps: bool) -> bytes:
    return (f"{rfc3339_micro(time)} {line}\n" if stamps else f"{line}\n").encode()


def connected_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends, not blocking. Raises OSError, for example when there are too many open files."""
    with socket.socket() as listener:
        listener.bind(_ANYWHERE)
        listener.listen(8)
        near = socket.socket()
        try:
            near.connect(listener.getsockname())
            far = _accept_own(listener, near)
        except OSError:
            near.close()
            raise
    for end in (near, far):
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def _accept_own(listener: socket.socket, near: socket.socket) -> socket.socket:
    """The port is open to all of this machine for a moment; only our own end counts."""
    while True:
        far, peer = listener.accept()
        if peer == near.getsockname():
            return far
        far.close()
