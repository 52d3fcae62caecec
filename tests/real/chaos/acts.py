"""What is done to the cluster: its servers, nodes, logins and pods. Each is a context manager: break, and take back."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from tests.real import app
from tests.real.chaos import scene as scenes
from tests.real.chaos.scene import Scene

Act = Callable[[Scene], AbstractContextManager[None]]


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


@contextmanager
def one_pod_deleted(scene: Scene) -> Iterator[None]:
    """The one that kubectl goes to, if they are where a round puts them."""
    pods = scene.cluster.pods(ready=True)
    pod = max(pods, key=lambda name: pods[name] == scene.cluster.worker)
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


def with_pods_gone(away: Act) -> Act:
    """All pods are deleted when the other thing has gone."""

    @contextmanager
    def act(scene: Scene) -> Iterator[None]:
        with away(scene):
            delete_pods(scene)
            yield

    return act


def after_pods_are_gone(other: Act) -> Act:
    """All pods are deleted, and then the other thing goes."""

    @contextmanager
    def act(scene: Scene) -> Iterator[None]:
        delete_pods(scene)
        with other(scene):
            yield

    return act


API_KILLED = rig(("apiserver-restart",))
API_STOPPED = rig(("apiserver-stop",), ("apiserver-start",))
API_SILENT = rig(("api-blackhole", "on"), ("api-blackhole", "off"))
KUBELET_SILENT = rig(("kubelet-blackhole", "on", "worker"), ("kubelet-blackhole", "off", "worker"))
KUBELET_KILLED = rig(("kubelet-restart", "worker"))
CONTAINERD_KILLED = rig(("containerd-restart", "worker"))
KUBE_PROXY_KILLED = rig(("kube-proxy-restart", "worker"))
NODE_PAUSED = rig(("node-pause", "worker"), ("node-unpause", "worker"))
WORKER_RESTARTED = rig(("node-restart", "worker"))
CONTROL_PLANE_RESTARTED = rig(("node-restart", "control-plane"))
