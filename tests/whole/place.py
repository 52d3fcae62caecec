"""The embedded sandbox beside the test: its event loop runs in a thread, and the test tells it what to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.objects import Object
from kfw.sandbox.sandbox import Sandbox
from tests.loop_thread import LoopThread, loop_thread

T = TypeVar("T")

#: Pods run, are ready and end as soon as they can.
AT_ONCE = Behaviour(start_after=0.0, ready_after=0.0, drain=0.0)


class Place:
    """`do(lambda sandbox: sandbox.scale(...))` acts, and returns when the cluster has drawn its conclusions."""

    def __init__(self, sandbox: Sandbox, beside: LoopThread) -> None:
        self.thread_id = beside.thread_id
        self.run = beside.run
        self._sandbox = sandbox
        self.kubeconfig = sandbox.kubeconfig
        self.nodes = sandbox.nodes

    def do(self, act: Callable[[Sandbox], T]) -> T:
        async def run() -> T:
            done = act(self._sandbox)
            await self._sandbox.quiet()
            return done

        return self.run(run())

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
    with loop_thread("sandbox") as beside:
        sandbox = beside.run(_entered(directory, objects))
        try:
            yield Place(sandbox, beside)
        finally:
            beside.run(sandbox.__aexit__(None, None, None))


async def _entered(directory: Path, objects: tuple[Object, ...]) -> Sandbox:
    return await Sandbox(directory, objects=objects, usual=AT_ONCE).__aenter__()
