"""Taking back what bootstrap brought: forwards, releases, stand-ins, cluster. Only what is ours, harmless twice."""

import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from kfw import client, paths
from kfw.client.launch import ensure_daemon
from kfw.engine import docker, kind
from kfw.engine.reachability import Here
from kfw.errors import ClusterUnreachable, DaemonNotRunning
from kfw.methods.forwarder.container import leftovers, ours
from kfw.names import RowId
from kfw.quickstart import forwarding, kind_cluster, platform, releases
from kfw.quickstart.kind_cluster import BootstrapCluster
from kfw.quickstart.options import BootstrapOptions
from kfw.quickstart.steps import Steps
from kfw.system import tools
from kfw.system.files import read_bounded
from kfw.system.own_container import in_container

#: Bytes of what a daemon keeps, see kfw/daemon/store.py.
_LARGEST = 32 * 1024 * 1024


def stop(steps: Steps, options: BootstrapOptions) -> list[str]:
    """The forwards of the config that were up; also what a daemon that was killed has left behind."""
    project = forwarding.project(options)
    names = [RowId(project, name) for name in forwarding.wanted(options)]
    running = _running(names, dry=steps.dry)
    up = [row for row in names if row in running]
    if up:
        steps.ourselves(["down", *(forwarding.word(options, row.name) for row in up)])
    else:
        steps.say("no forwards were up")
    return [row.name for row in up]


def uninstall(
    steps: Steps, options: BootstrapOptions, env: Mapping[str, str], provider: str, *, keep_cluster: bool
) -> None:
    """Forwards, then releases and stand-ins, then the cluster or the sandbox if bootstrap has made it."""
    stop(steps, options)
    if options.made_sandbox.exists():
        steps.ourselves(["sandbox", "stop"])
        _forget(steps, options.made_sandbox)
    missing = tools.missing("kind") or tools.missing(provider)
    if missing is None:
        remove_containers(steps, provider)
        _leave_kind(
            steps, options, Here(sys.platform, in_container(env), env), provider, keep_cluster=keep_cluster
        )
    elif options.made.exists():
        raise missing
    if not keep_cluster:
        _tidy(steps, options)


def _leave_kind(
    steps: Steps, options: BootstrapOptions, here: Here, provider: str, *, keep_cluster: bool
) -> None:
    """Raises KfwError when docker cannot say whether the cluster that bootstrap has made is there."""
    try:
        there = kind_cluster.exists(steps, options.cluster_name, here, provider)
    except ClusterUnreachable:
        if options.made.exists():
            raise
        return
    if not there:
        _forget(steps, options.made)
    elif options.made.exists() and not keep_cluster:
        delete_cluster(steps, options)
    else:
        _empty(steps, options, here.env)
        if not keep_cluster:
            name = options.cluster_name
            steps.say(
                f"cluster: {name} was not created by kfw, so it stays: kind delete cluster --name {name}"
            )


def _empty(steps: Steps, options: BootstrapOptions, env: Mapping[str, str]) -> None:
    """What is ours in a cluster that stays."""
    if options.kubeconfig.exists():
        found = kind_cluster.of_kind(options)
        remove_releases(steps, options, found, env)
        platform.delete(steps, options, found)


def remove_releases(
    steps: Steps, options: BootstrapOptions, found: BootstrapCluster, env: Mapping[str, str]
) -> None:
    """Ours by name, namespace and chart, the last one first."""
    if tools.missing("helm"):
        return
    there = releases.installed(steps.ask(releases.list_all(found)).out)
    for release in reversed(platform.platform(options, env)):
        one = there.get((release.namespace, release.name))
        if one and one.chart.startswith(f"{release.chart_name}-"):
            answer = steps.do(releases.uninstall(release, found), timeout=300.0)
            done = "would be removed" if steps.dry else "removed"
            steps.say(f"platform: {release.name}: {done if answer.ok else answer.words}")


def delete_cluster(steps: Steps, options: BootstrapOptions) -> None:
    name = options.cluster_name
    steps.must(kind.delete_cluster(name, str(options.kubeconfig)), f"cannot delete the kind cluster {name}")
    steps.say(f"cluster: the kind cluster {name} {'would be' if steps.dry else 'is'} deleted")
    _forget(steps, options.made)


def _tidy(steps: Steps, options: BootstrapOptions) -> None:
    """What bootstrap has written for itself; the folder, too, when no other cluster has anything in it."""
    scripts = options.folder.glob("register-*.sh")
    _forget(steps, options.kubeconfig, options.manifests, options.overlay, options.new_cluster, *scripts)
    if not steps.dry:
        with suppress(OSError):  # it is not there, or not empty
            options.folder.rmdir()


def _forget(steps: Steps, *files: Path) -> None:
    for file in () if steps.dry else files:
        file.unlink(missing_ok=True)


def remove_containers(steps: Steps, provider: str) -> None:
    """Forwarder containers of this kfw that nobody ended, by their labels; those of a kfw that runs stay."""
    found = docker.ids(steps.ask(docker.labelled(ours(), provider)).out)
    if found:
        left = leftovers(docker.containers(steps.ask(docker.inspect(found, provider)).out))
        if left:
            steps.do(docker.remove(left, provider), timeout=60.0)


def _running(names: Iterable[RowId], *, dry: bool) -> set[RowId]:
    """What is up. A daemon that was killed is started again for that: it ends what the dead one left."""
    try:
        rows = client.status().forwards
    except DaemonNotRunning:
        kept = _kept()
        if not dry and not kept.isdisjoint(names):
            ensure_daemon(on_demand=True)
        return kept
    return {RowId(row.project, row.name) for row in rows if row.status not in ("stopped", "disabled")}


def _kept() -> set[RowId]:
    """What would come back with the next daemon."""
    try:
        kept = json.loads(read_bounded(paths.store_file(), _LARGEST))
        return {RowId(str(forward["source"]), str(forward["name"])) for forward in kept["forwards"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
