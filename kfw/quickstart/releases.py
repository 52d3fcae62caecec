"""The platform as data: what platform.yaml says, typed, and the command lines that bring a release about. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kfw.quickstart.kind_cluster import BootstrapCluster

#: helm's words for a release that is as it should be, and for one whose helm was killed at work.
DEPLOYED = "deployed"
_PENDING = "pending-"

#: What `kubectl wait` must not wait for: pods of jobs that are done never become ready.
_NOT_OVER = "--field-selector=status.phase!=Succeeded,status.phase!=Failed"


@dataclass(frozen=True)
class Wait:
    """A condition: either the pods of a selector ("" is all) are ready, or a rollout is complete. Seconds."""

    pods: str | None = None
    rollout: str = ""
    timeout: int = 300
    optional: bool = False


@dataclass(frozen=True)
class Patch:
    """`unless`: it is done already if the object has this text in it. A patch that fails is a warning."""

    kind: str
    name: str
    namespace: str
    type: str
    patch: Any
    unless: str = ""


@dataclass(frozen=True)
class Release:
    """One release of helm, what must come true after it, and what is done then.

    `core` stays with --minimal; `values`: it takes the user's; `register`: a script of the makers that makes it known;
    `network`: the cluster's network plugin, left out where there is one.
    """

    name: str
    namespace: str
    chart: str
    version: str
    timeout: int = 600
    wait: bool = False
    core: bool = True
    values: bool = False
    set: Mapping[str, str] = field(default_factory=dict)
    until: tuple[Wait, ...] = ()
    patches: tuple[Patch, ...] = ()
    register: str = ""
    network: bool = False

    @property
    def chart_name(self) -> str:
        return self.chart.rpartition("/")[2]


@dataclass(frozen=True)
class Installed:
    """What helm has under a name. `chart` is NAME-VERSION."""

    status: str
    chart: str

    @property
    def pending(self) -> bool:
        return self.status.startswith(_PENDING)


def releases(data: Mapping[str, Any], names: Mapping[str, str]) -> list[Release]:
    """Of the file's contents, with its {…} replaced by `names`."""
    return [_release(_filled(each, names)) for each in data["releases"]]


def wanted(all_of_them: Iterable[Release], *, minimal: bool) -> list[Release]:
    return [release for release in all_of_them if release.core or not minimal]


def installed(out: str) -> dict[tuple[str, str], Installed]:
    """By (namespace, name): what `list_all` answered."""
    try:
        told = json.loads(out or "[]")
    except ValueError:
        return {}
    return {
        (str(each["namespace"]), str(each["name"])): Installed(str(each["status"]), str(each["chart"]))
        for each in told
    }


def is_there(release: Release, found: Installed | None) -> bool:
    """Deployed, in this version: nothing to do."""
    return (
        found is not None
        and found.status == DEPLOYED
        and found.chart == f"{release.chart_name}-{release.version}"
    )


# -- command lines


def list_all(cluster: BootstrapCluster) -> list[str]:
    """Of every namespace and in every state, those that failed or hang too."""
    return ["helm", "list", "--all-namespaces", "--all", "--output", "json", *_to(cluster)]


def show_chart(release: Release) -> list[str]:
    """Asks the registry and nothing else: is it reachable, has it this chart."""
    return ["helm", "show", "chart", release.chart, "--version", release.version]


def upgrade(release: Release, cluster: BootstrapCluster, values: Iterable[str] = ()) -> list[str]:
    """Installs what is not there."""
    settings = [f"{key}={value}" for key, value in release.set.items()]
    return [
        *("helm", "upgrade", "--install", release.name, release.chart, "--version", release.version),
        *("--namespace", release.namespace, "--create-namespace", "--timeout", f"{release.timeout}s"),
        *(["--wait"] if release.wait else []),
        *(word for each in settings for word in ("--set", each)),
        *(word for file in (values if release.values else ()) for word in ("--values", file)),
        *_to(cluster),
    ]


def take_back(release: Release, found: Installed, cluster: BootstrapCluster) -> list[str]:
    """For a release whose helm was killed at work: helm refuses to go on before this."""
    where = ["--namespace", release.namespace, *_to(cluster)]
    if found.status == "pending-install":
        return ["helm", "uninstall", release.name, *where]
    return ["helm", "rollback", release.name, *where]


def uninstall(release: Release, cluster: BootstrapCluster) -> list[str]:
    return ["helm", "uninstall", release.name, "--namespace", release.namespace, *_to(cluster)]


def until(wait: Wait, namespace: str, cluster: BootstrapCluster) -> list[str]:
    """Fails when it does not come true in time."""
    timeout = f"--timeout={wait.timeout}s"
    if wait.rollout:
        return cluster.kubectl("rollout", "status", wait.rollout, "--namespace", namespace, timeout)
    which = ["--selector", wait.pods] if wait.pods else [_NOT_OVER]
    return cluster.kubectl("wait", "--for=condition=Ready", "pod", *which, "--namespace", namespace, timeout)


def get(patch: Patch, cluster: BootstrapCluster) -> list[str]:
    return cluster.kubectl("get", patch.kind, patch.name, "--namespace", patch.namespace, "--output", "json")


def apply(patch: Patch, cluster: BootstrapCluster) -> list[str]:
    text = json.dumps(patch.patch, separators=(",", ":"))
    where = ["--namespace", patch.namespace, "--type", patch.type, "--patch", text]
    return cluster.kubectl("patch", patch.kind, patch.name, *where)


def autopsy(release: Release, cluster: BootstrapCluster) -> list[list[str]]:
    """What is worth seeing after a release has failed."""
    where = ["--namespace", release.namespace]
    return [
        ["helm", "status", release.name, *where, *_to(cluster)],
        cluster.kubectl("get", "pods", *where, "--output", "wide"),
        cluster.kubectl("get", "events", *where, "--sort-by=.lastTimestamp"),
    ]


def _to(cluster: BootstrapCluster) -> list[str]:
    return ["--kubeconfig", str(cluster.kubeconfig), "--kube-context", cluster.context]


def _release(data: Mapping[str, Any]) -> Release:
    told = dict(data)
    told["until"] = tuple(Wait(**each) for each in told.get("until") or ())
    told["patches"] = tuple(Patch(**each) for each in told.get("patches") or ())
    return Release(**told)


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, Mapping):
        return {key: _filled(each, names) for key, each in value.items()}
    return [_filled(each, names) for each in value] if isinstance(value, list) else value
