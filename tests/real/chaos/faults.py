"""The faults, in one table. Each is a context manager over a scene: it breaks something, and takes it back at its end."""

import json
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass

from tests.real import app, talk
from tests.real.chaos import scene as scenes
from tests.real.chaos.cell import METHODS
from tests.real.chaos.scene import Scene

CHILDREN = ("socat", "kubectl")
#: Those that need no API server while they work.
NODE_PORTS = ("nodeport", "socat")
#: What is compared with the bare node port, where the pods are well and the API server is there.
BOTH = ("tunnel", "nodeport")
#: Open files of a daemon that has few, and clients that take them.
FEW_FILES, CROWD = 160, 400

Act = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """`hold`: seconds between its beginning and its end; `compared`: methods that are to be as good as the bare node port.

    `user`: whose login kfw has. `pods_end`: apps close their connections, so that a close under the client is none of kfw's.
    """

    name: str
    title: str
    act: Act
    hold: float = 0.0
    methods: Sequence[str] = METHODS
    compared: Sequence[str] = ()
    user: str = "admin"
    small_disk: bool = False
    pods_end: bool = False


# -- of the rig


def rig(begin: Sequence[str], end: Sequence[str] = ()) -> Act:
    """Words of `cluster fault`; `worker` and `control-plane` are nodes."""

    @contextmanager
    def act(scene: Scene) -> Iterator[None]:
        scene.cluster.fault(*begin)
        try:
            yield
        finally:
            if end:
                scene.cluster.fault(*end)

    return act


@contextmanager
def login_revoked(scene: Scene) -> Iterator[None]:
    """The server knows it some 10 s later, as it remembers logins. The new token comes into the same file."""
    scene.cluster.fault("token-revoke")
    try:
        scenes.wait(12)
        yield
    finally:
        scene.cluster.fault("token-restore")
        scenes.write_kubeconfig(scene.cluster, scene.user, scene.kubeconfig)


@contextmanager
def rights_removed(scene: Scene) -> Iterator[None]:
    """Of the user, all."""
    kubectl = scene.cluster.kubectl
    kubectl("delete", "clusterrolebinding", scenes.NAMESPACE)
    try:
        yield
    finally:
        kubectl("apply", "-f", "-", stdin=json.dumps(scenes.rights()))


# -- of this machine


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


# -- of the pods


@contextmanager
def one_pod_deleted(scene: Scene) -> Iterator[None]:
    """The one that kubectl goes to."""
    pods = scene.cluster.pods(ready=True)
    pod = next(name for name, node in pods.items() if node == scene.cluster.worker)
    scene.cluster.kubectl("delete", "pod", pod, "--wait=false")
    yield
    scene.cluster.ready_pods(2)


@contextmanager
def all_pods_deleted(scene: Scene) -> Iterator[None]:
    delete_pods(scene)
    yield
    scene.cluster.ready_pods(2)


def delete_pods(scene: Scene) -> None:
    scene.cluster.kubectl("delete", "pods", "-l", "app=web", "--grace-period=1", "--wait=false")


@contextmanager
def rollout(scene: Scene) -> Iterator[None]:
    scene.cluster.kubectl("rollout", "restart", "deployment/web")
    yield
    _rolled_out(scene)


def _rolled_out(scene: Scene) -> None:
    scene.cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s", timeout=60)
    scene.cluster.ready_pods(2)


@contextmanager
def scaled_to_zero(scene: Scene) -> Iterator[None]:
    scene.cluster.kubectl("scale", "deployment/web", "--replicas=0")
    try:
        yield
    finally:
        scene.cluster.kubectl("scale", "deployment/web", "--replicas=2")
        scene.cluster.ready_pods(2)


@contextmanager
def app_refuses(scene: Scene) -> Iterator[None]:
    """New pods that are ready, and do not listen to the port."""

    def apply(**env: str) -> None:
        scene.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(scenes.deployment(**env)))
        _rolled_out(scene)

    apply(APP_ECHO="9999")
    try:
        yield
    finally:
        apply()


@contextmanager
def service_recreated(scene: Scene) -> Iterator[None]:
    scene.cluster.kubectl("delete", "service", "web")
    try:
        yield
    finally:
        scene.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(scenes.service()))


@contextmanager
def selector_changed(scene: Scene) -> Iterator[None]:
    def apply(service: app.Object) -> None:
        scene.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(service))

    apply(scenes.service(selects="nothing"))
    try:
        yield
    finally:
        apply(scenes.service())


@contextmanager
def all_unready(scene: Scene) -> Iterator[None]:
    pods = scene.cluster.pods(ready=True)

    def turn(on: str) -> None:
        for pod in pods:
            path = f"/api/v1/namespaces/{scenes.NAMESPACE}/pods/{pod}:8080/proxy/ready?on={on}"
            scene.cluster.kubectl("create", "--raw", path, "-f", "-", stdin="{}")

    turn("false")
    try:
        scene.cluster.ready_pods(0)
        yield
    finally:
        turn("true")
        scene.cluster.ready_pods(2)


# -- pairs


def with_pods_gone(away: Act) -> Act:
    """All pods are deleted when the other thing has gone."""

    @contextmanager
    def act(scene: Scene) -> Iterator[None]:
        with away(scene):
            delete_pods(scene)
            yield

    return act


@contextmanager
def api_stopped_and_pods_gone(scene: Scene) -> Iterator[None]:
    """The other way round: an API server that is away deletes nothing. Replacements come when it is back."""
    delete_pods(scene)
    with API_STOPPED(scene):
        yield


API_STOPPED = rig(("apiserver-stop",), ("apiserver-start",))
API_SILENT = rig(("api-blackhole", "on"), ("api-blackhole", "off"))
KUBELET_SILENT = rig(("kubelet-blackhole", "on", "worker"), ("kubelet-blackhole", "off", "worker"))
NODE_PAUSED = rig(("node-pause", "worker"), ("node-unpause", "worker"))
CHILD_STOPPED = child(signal.SIGSTOP, signal.SIGCONT)

SINGLES = (
    Fault("apiserver-restart", "API server killed, back in 2 to 3 s", rig(("apiserver-restart",)), 1, compared=("nodeport",)),
    Fault("apiserver-stop", "API server away for 8 s", API_STOPPED, 8, compared=("nodeport",)),
    Fault("api-blackhole", "API server silent for 10 s", API_SILENT, 10, compared=("nodeport",)),
    Fault("kubelet-blackhole", "the worker's kubelet silent for 10 s", KUBELET_SILENT, 10, compared=BOTH),
    Fault("kubelet-restart", "the worker's kubelet killed", rig(("kubelet-restart", "worker")), 3, compared=BOTH),
    Fault("containerd-restart", "the worker's containerd killed", rig(("containerd-restart", "worker")), 3, compared=BOTH),
    Fault("kube-proxy-restart", "kube-proxy of the worker killed", rig(("kube-proxy-restart", "worker")), 3, compared=BOTH),
    Fault("node-pause", "the worker frozen for 22 s", NODE_PAUSED, 22, compared=("nodeport",), pods_end=True),
    Fault("node-restart-worker", "the worker restarted", rig(("node-restart", "worker")), 3, compared=("nodeport",), pods_end=True),
    Fault("node-restart-control-plane", "the control plane's node restarted", rig(("node-restart", "control-plane")), 5, pods_end=True),
    Fault("login-revoked", "the login revoked for 20 s", login_revoked, 8, compared=BOTH, user="token"),
    Fault("rights-removed", "the user's rights removed for 8 s", rights_removed, 8, compared=BOTH, user="account"),
    Fault("child-killed", "the child killed", child(signal.SIGKILL), 1, CHILDREN),
    Fault("child-stopped", "the child stopped for 8 s (SIGSTOP)", CHILD_STOPPED, 8, CHILDREN),
    Fault("daemon-killed", "the daemon killed, started again 2 s later", daemon_killed, 2),
    Fault("daemon-stopped", "the daemon stopped for 5 s (SIGSTOP)", daemon_stopped, 5),
    Fault("kubeconfig-gone", "the kubeconfig gone for 8 s", kubeconfig_gone, 8, compared=BOTH),
    Fault("kubeconfig-half", "the kubeconfig half-written for 8 s", kubeconfig_half, 8, compared=BOTH),
    Fault("kubeconfig-moved", "the kubeconfig replaced by another of the same cluster", kubeconfig_moved, 3, compared=BOTH),
    Fault("disk-full", "the disk of kfw's home full for 8 s", disk_full, 8, compared=BOTH, small_disk=True),
    Fault("descriptors-gone", "clients take all descriptors for 8 s", descriptors_gone, 8),
    Fault("one-pod-deleted", "one of two pods deleted", one_pod_deleted, 1, compared=BOTH, pods_end=True),
    Fault("all-pods-deleted", "all pods deleted", all_pods_deleted, 1, pods_end=True),
    Fault("rollout", "rolling restart", rollout, compared=BOTH, pods_end=True),
    Fault("scaled-to-zero", "scaled to 0 for 6 s", scaled_to_zero, 6, pods_end=True),
    Fault("app-refuses", "pods that do not listen to the port, for 6 s", app_refuses, 6, pods_end=True),
    Fault("service-recreated", "the service deleted for 5 s", service_recreated, 5),
    Fault("selector-changed", "the service selects nothing for 5 s", selector_changed, 5),
    Fault("all-unready", "no pod ready for 6 s", all_unready, 6),
)  # fmt: skip

#: Pods go while ...
_PAIRS = (
    Fault("login-revoked", "the login is revoked", login_revoked, 8, user="token"),
    Fault("rights-removed", "the rights are removed", rights_removed, 8, user="account"),
    Fault("kubeconfig-gone", "the kubeconfig is gone", kubeconfig_gone, 8),
    Fault("kubeconfig-half", "the kubeconfig is half-written", kubeconfig_half, 8),
    Fault("api-blackhole", "the API server is silent", API_SILENT, 10),
    Fault("kubelet-blackhole", "the worker's kubelet is silent", KUBELET_SILENT, 10),
    Fault("node-pause", "the worker is frozen", NODE_PAUSED, 22, pods_end=True),
    Fault("disk-full", "the disk is full", disk_full, 8, small_disk=True),
    Fault("descriptors-gone", "the descriptors are gone", descriptors_gone, 8),
    Fault("child-stopped", "the child is stopped", CHILD_STOPPED, 8, CHILDREN),
    Fault("daemon-stopped", "the daemon is stopped", daemon_stopped, 5),
)


def _pairs() -> Iterator[Fault]:
    for one in _PAIRS:
        name, title, act = f"pods+{one.name}", f"pods go while {one.title}", with_pods_gone(one.act)
        yield Fault(name, title, act, one.hold, one.methods, (), one.user, one.small_disk, pods_end=True)
    title = "pods go while the API server is away"
    yield Fault("pods+apiserver-stop", title, api_stopped_and_pods_gone, 8, pods_end=True)


FAULTS = {fault.name: fault for fault in (*SINGLES, *_pairs())}
