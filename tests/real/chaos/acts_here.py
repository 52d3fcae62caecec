"""What is done to kfw and its surroundings on this machine: its processes, its kubeconfig, its disk, its descriptors."""

import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from tests.real import talk
from tests.real.chaos import scene as scenes
from tests.real.chaos.acts import Act
from tests.real.chaos.scene import Scene

#: Methods that are processes, as kfw uses them.
CHILDREN = ("socat", "kubectl")
#: Open files of a daemon that has few, and clients that take them.
FEW_FILES, CROWD = 160, 400


def child(number: signal.Signals, after: signal.Signals | None = None) -> Act:
    @contextmanager
    def act(scene: Scene) -> Iterator[None]:
        pids = [scene.pid(method) for method in CHILDREN if method in scene.ports]
        for pid in pids:
            scenes.end(pid, number)
        try:
            yield
        finally:
            for pid in pids if after else ():
                scenes.end(pid, after or number)

    return act


@contextmanager
def daemon_killed(scene: Scene) -> Iterator[None]:
    """And started again by the harness, as a service manager does it: nothing of kfw's own survives a kill."""
    scene.daemon_ended = True
    scene.note = "the daemon was started again with `kfw start`"
    scene.program.kill_daemon()
    try:
        yield
    finally:
        scene.program("start")


@contextmanager
def daemon_stopped(scene: Scene) -> Iterator[None]:
    pid = scene.program.daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def kubeconfig_gone(scene: Scene) -> Iterator[None]:
    away = scene.kubeconfig.with_suffix(".away")
    scene.kubeconfig.rename(away)
    try:
        yield
    finally:
        away.rename(scene.kubeconfig)


@contextmanager
def kubeconfig_half(scene: Scene) -> Iterator[None]:
    text = scene.kubeconfig.read_text()
    scene.kubeconfig.write_text(text[: len(text) // 2])
    try:
        yield
    finally:
        scene.kubeconfig.write_text(text)


@contextmanager
def kubeconfig_moved(scene: Scene) -> Iterator[None]:
    """Another valid file of the same cluster takes its name."""
    other = scene.kubeconfig.with_suffix(".other")
    other.write_text(scene.kubeconfig.read_text() + "\n")
    other.rename(scene.kubeconfig)
    yield


@contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    filler = scene.program.home / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def descriptors_gone(scene: Scene) -> Iterator[None]:
    """Clients of a forward of their own hold all that the daemon may open."""
    scene.crowd = True
    port = talk.free_ports(1)[0]
    scene.program("add", "crowd", "service/web", f"{port}:echo", "-n", scenes.NAMESPACE, "--method", "tunnel")
    pid = scene.program.daemon_pid()
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (FEW_FILES, limits[1]))
    try:
        with ExitStack() as crowd:
            for _ in range(CROWD):
                crowd.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        scene.program("remove", "crowd", code=None)


CHILD_KILLED = child(signal.SIGKILL)
CHILD_STOPPED = child(signal.SIGSTOP, signal.SIGCONT)
