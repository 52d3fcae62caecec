"""The embedded sandbox beside the test: its event loop runs in a thread, and the test tells it what to do."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.objects import Object
from kfw.sandbox.sandbox import Sandbox

T = TypeVar("T")

#: Pods run, are ready and end as soon as they can.
AT_ONCE = Behaviour(start_after=0.0, ready_after=0.0, drain=0.0)
#: Seconds for whatever the sandbox is asked to do.
_PATIENCE = 15.0


class Place:
    """`do(lambda sandbox: sandbox.scale(...))` acts, and returns when the cluster has drawn its conclusions."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        self.thread_id = thread_id
        self._sandbox = sandbox
        self._loop = loop
        self.kubeconfig = sandbox.kubeconfig
        self.nodes = sandbox.nodes

    def do(self, act: Callable[[Sandbox], T]) -> T:
        async def run() -> T:
            done = act(self._sandbox)
            await self._sandbox.quiet()
            return done

        return self.run(run())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    def apply(self, *objects: Object) -> None:
        """And wait until the workloads have all their pods."""
        self.do(lambda sandbox: [sandbox.apply(thing) for thing in objects])
        self.run(self._sandbox.settled())

    def annotate_pods(self, where: str, **annotations: str) -> None:
        """All of the namespace: annotate_pods("demo", ready="true")."""

        def annotate(sandbox: Sandbox) -> None:
            for pod in sandbox.list("pods", where):
                sandbox.annotate("pods", where, pod["metadata"]["name"], **annotations)

        self.do(annotate)

    def pods(self, where: str, app: str) -> list[str]:
        """Names of the ready ones."""
        return [pod["metadata"]["name"] for pod in self.do(lambda sandbox: sandbox.pods(where, app))]

    def node_port(self, where: str, service: str, port: int | str | None = None) -> int:
        return self.do(lambda sandbox: sandbox.node_port(where, service, port))

    def user(self, name: str, *namespaces: str) -> Path:
        """The kubeconfig of one who may look at these namespaces only."""
        return self.do(lambda sandbox: sandbox.add_user(name, *namespaces))

    def stop_api(self) -> None:
        self.run(self._sandbox.stop_api())

    def start_api(self) -> None:
        self.run(self._sandbox.start_api())


@contextmanager
def place(directory: Path, *objects: Object) -> Iterator[Place]:
    """A sandbox with these objects, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox", daemon=True)
    thread.start()
    sandbox = asyncio.run_coroutine_threadsafe(_entered(directory, objects), loop).result(_PATIENCE)
    try:
        yield Place(sandbox, loop, thread.native_id or 0)
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.__aexit__(None, None, None), loop).result(_PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()


async def _entered(directory: Path, objects: tuple[Object, ...]) -> Sandbox:
    return await Sandbox(directory, objects=objects, usual=AT_ONCE).__aenter__()
