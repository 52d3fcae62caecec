"""Where a fault takes place: two pods of the app, a kfw with a forward by each method, and kubectl beside it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real import app, talk
from tests.real import rig as rigs
from tests.real.chaos.cell import BARE, PLAIN_KUBECTL
from tests.real.rig import Rig
from tests.real.running import until
from tests.whole.program import Entry, Program, Row

NAMESPACE = "chaos"
ECHO = 9000
#: Of the service, in the range of Kubernetes and not one of the demo's.
NODE_PORT = 31900
#: What a daemon on a small disk has: its state, log and socket need some.
SMALL_DISK = "3m"

#: What the user `account` of the namespace may do; the bindings are what the fault "rights" takes away.
_RULES: list[app.Object] = [
    {"apiGroups": [""], "resources": ["pods", "services", "endpoints"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]},
    {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
]


class Cluster:
    """The rig's, with kubectl from inside it: it works also while packets between this machine and the API are dropped."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.control_plane, self.worker = f"{rig.name}-control-plane", f"{rig.name}-worker"

    def kubectl(self, *arguments: str, timeout: float = 30, stdin: str = "") -> str:
        pid = rigs.run("docker", "inspect", "-f", "{{.State.Pid}}", self.control_plane, timeout=10).strip()
        inside = ("nsenter", "-t", pid, "-n", "kubectl", "--kubeconfig", str(self.rig.kubeconfig))
        there = ("--server", "https://127.0.0.1:6443", "--request-timeout", f"{timeout:g}s")
        argv = (*inside, *there, "-n", NAMESPACE, *arguments)
        return rigs.run(*argv, timeout=timeout + 5, stdin=stdin)

    def fault(self, kind: str, *arguments: str) -> None:
        self.rig.fault(kind, *arguments)

    def prepare(self) -> None:
        """The namespace and all in it, as it is meant to be."""
        self.rig.kubectl("apply", "-f", "-", stdin=app.together(_namespace()))
        self.kubectl("apply", "-f", "-", stdin=app.together(*_account(), deployment(), service()))
        self.settle()

    def settle(self) -> None:
        """Two ready pods, one on each node."""
        until(self._spread, 90, lambda: f"a ready pod on each node: {self.pods()}", pause=0.5)

    def _spread(self) -> bool:
        with suppress(AssertionError):
            pods = self.pods(ready=True)
            if sorted(pods.values()) == sorted((self.control_plane, self.worker)) == self.nodes():
                return True
            if len(pods) == 2 and len(self.nodes()) == 2:  # both on one
                self.kubectl("delete", "pod", next(iter(pods)), "--wait=true", "--grace-period=1")
        return False

    def nodes(self) -> list[str]:
        """The ready ones."""
        items = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        return sorted(item["metadata"]["name"] for item in items if _is_true(item, "Ready"))

    def pods(self, *, ready: bool = False) -> dict[str, str]:
        """Name -> node; those that are being deleted are left out."""
        items = json.loads(self.kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
        return {
            item["metadata"]["name"]: item["spec"].get("nodeName", "")
            for item in items
            if "deletionTimestamp" not in item["metadata"] and (not ready or _is_true(item, "Ready"))
        }

    def ready_pods(self, count: int, within: float = 30) -> None:
        until(lambda: len(self.pods(ready=True)) == count, within, lambda: f"{count} ready pods", pause=0.3)

    def user(self, name: str) -> Path:
        return self.rig.kubeconfig if name == "admin" else self.rig.user(name)


@dataclass
class Scene:
    """`kubeconfig` is a copy that faults may break; kfw and the rival use it."""

    cluster: Cluster
    program: Program
    kubeconfig: Path
    ports: Mapping[str, int]
    user: str
    rng: Any  # random.Random
    note: str = ""
    daemon_ended: bool = False
    crowd: bool = False

    def pid(self, method: str) -> int | None:
        return self.program.status(method).get("pid")

    def targets(self) -> dict[str, tuple[str, int]]:
        ours = {name: ("127.0.0.1", port) for name, port in self.ports.items()}
        return ours | {BARE: (self.cluster.rig.control_plane_ip, NODE_PORT)}


@contextmanager
def scene(
    cluster: Cluster,
    methods: Sequence[str],
    *,
    user: str = "admin",
    small_disk: bool = False,
    rng: Any = None,
) -> Iterator[Scene]:
    """All methods are active, and both kubectls go to the pod of the worker, so that its faults are theirs."""
    cluster.settle()
    with ExitStack() as stack:
        program = Program("")
        stack.callback(program.close)
        if small_disk:
            stack.enter_context(_small_disk(program.home))
            stack.callback(program, "stop", code=None)
        kubeconfig = program.folder / "kubeconfig"
        program.env["KUBECONFIG"] = str(kubeconfig)
        write_kubeconfig(cluster, user, kubeconfig)
        ports = dict(zip((*methods, PLAIN_KUBECTL), talk.free_ports(len(methods) + 1), strict=True))
        program.up({method: entry(method, ports[method]) for method in methods}, "--timeout", "30s")
        if "kubectl" in methods:
            _go_to_the_worker(cluster, program)
        stack.enter_context(_plain_kubectl(cluster, kubeconfig, ports[PLAIN_KUBECTL]))
        yield Scene(cluster, program, kubeconfig, ports, user, rng)


def entry(method: str, port: int, target_port: int | str = "echo") -> Entry:
    """The port by the name that it has in the service."""
    here: Entry = {"target": "service/web", "targetPort": target_port, "namespace": NAMESPACE}
    return {**here, "localPort": port, "method": method}


def write_kubeconfig(cluster: Cluster, user: str, file: Path) -> None:
    """Whole or not at all, as kubectl writes it."""
    text = _kubeconfig_of_account(cluster) if user == "account" else cluster.user(user).read_text()
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def answers(port: int, host: str = "127.0.0.1", patience: float = 2.0) -> bool:
    try:
        with socket.create_connection((host, port), patience) as connection:
            return talk.answered(connection, b"word\n")
    except OSError:
        return False


def _go_to_the_worker(cluster: Cluster, program: Program) -> None:
    def there() -> bool:
        row: Row = program.status("kubectl")
        pods = cluster.pods()
        name = (row.get("endpoint") or {}).get("name", "")
        if row["status"] == "active" and pods.get(name) == cluster.worker:
            return True
        if row["status"] == "active" and pods.get(name):
            cluster.kubectl("delete", "pod", name, "--grace-period=1", "--wait=true")
            cluster.settle()
        return False

    until(there, 60, lambda: f"kubectl goes to the worker's pod\n{program.log()}", pause=0.3)


@contextmanager
def _plain_kubectl(cluster: Cluster, kubeconfig: Path, port: int) -> Iterator[None]:
    """To the pod of the worker: what `service/web` is resolved to, once, if chance wants it so."""
    pod = next(name for name, node in cluster.pods(ready=True).items() if node == cluster.worker)
    argv = [
        "kubectl",
        "--kubeconfig",
        str(kubeconfig),
        "-n",
        NAMESPACE,
        "port-forward",
        f"pod/{pod}",
        f"{port}:{ECHO}",
    ]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        until(lambda: answers(port), 15, lambda: "kubectl port-forward answers")
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _small_disk(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    rigs.run("mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK},mode=700", "kfw", str(home), timeout=10)
    try:
        yield
    finally:
        rigs.run("umount", "-l", str(home), timeout=10)
        shutil.rmtree(home, ignore_errors=True)


def end(pid: int | None, number: signal.Signals) -> None:
    """Of one that we know; nothing if it has gone."""
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def wait(seconds: float) -> None:
    time.sleep(seconds)


def deployment(**env: str) -> app.Object:
    """Two pods that drain for a second, one on each node."""
    made = app.workload("Deployment", "web", replicas=2, DRAIN_MS="1000", **env)
    made["spec"]["template"]["spec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": "web"}},
            "matchLabelKeys": ["pod-template-hash"],
        }
    ]
    return made


def service(selects: str = "web") -> app.Object:
    return app.service("web", app.port(ECHO, "echo", ECHO, nodePort=NODE_PORT), app=selects)


def _namespace() -> app.Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _account() -> list[app.Object]:
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "account"}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": NAMESPACE},
            "rules": _RULES,
        },
        rights(),
    ]


def rights() -> app.Object:
    """What lets the user `account` do anything."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAMESPACE},
        "subjects": [{"kind": "ServiceAccount", "name": "account", "namespace": NAMESPACE}],
    }


def _kubeconfig_of_account(cluster: Cluster) -> str:
    token = cluster.kubectl("create", "token", "account", "--duration=2h").strip()
    config = json.loads(cluster.rig.kubectl("config", "view", "--raw", "-o", "json"))
    config["users"] = [{"name": entry["name"], "user": {"token": token}} for entry in config["users"]]
    return json.dumps(config)


def _is_true(item: app.Object, condition: str) -> bool:
    return any(
        one["type"] == condition and one["status"] == "True" for one in item["status"].get("conditions", ())
    )


Act = Callable[[Scene], Any]
