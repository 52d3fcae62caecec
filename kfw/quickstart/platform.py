"""The platform: what is missing of the services comes from helm, or from stand-ins where that cannot be.

The stand-ins are five small services of the platform's names and ports.
"""

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kfw.errors import KfwError, TimedOut
from kfw.model import Kind
from kfw.quickstart import releases, releasing
from kfw.quickstart.forwarding import namespace_of, wanted
from kfw.quickstart.kind_cluster import BootstrapCluster, manifests
from kfw.quickstart.options import BootstrapOptions
from kfw.quickstart.releases import Release
from kfw.quickstart.releasing import Fetch, fetched
from kfw.quickstart.steps import Steps
from kfw.system import tools
from kfw.system.files import make_private_dir, write_atomic

DATA = Path(__file__).with_name("platform.yaml")
#: The agent platform's charts, where AMP_CHART_VERSION names no other version.
AMP_VERSION = "0.1.0-rc4"

#: Seconds that the registry of charts gets to answer; without network it does not.
REGISTRY = 30.0

_ABOUT = "install OpenChoreo and the agent platform, which takes 15 to 20 minutes (no: five small stand-ins)"
#: Seconds until they must serve, their image pulled.
READY = 300
_BEYOND = 30.0


def missing_services(steps: Steps, options: BootstrapOptions, cluster: BootstrapCluster) -> list[str]:
    """Of the config's forwards to services, as namespace/name."""
    line = cluster.kubectl(
        "get", "services", "--all-namespaces", "--output", "json", "--request-timeout", "20s"
    )
    there = {
        (item["metadata"]["namespace"], item["metadata"]["name"]) for item in _items(steps.ask(line).out)
    }
    asked = [forward for forward in wanted(options).values() if forward.target.kind is Kind.SERVICE]
    keys = dict.fromkeys((namespace_of(forward, options), forward.target.name) for forward in asked)
    return [f"{namespace}/{name}" for namespace, name in keys if (namespace, name) not in there]


def why_no_helm(steps: Steps, options: BootstrapOptions, env: Mapping[str, str]) -> str | None:
    """None: the platform can be installed, and the user wants it. Asks the user, so ask it once."""
    if options.skip_openchoreo:
        return "--skip-openchoreo was given"
    if missing := tools.missing("helm"):
        return f"{missing.what}; {missing.fix}"
    first = platform(options, env)[0]
    try:
        answer = steps.ask(releases.show_chart(first), timeout=REGISTRY)
    except TimedOut:
        return f"the registry of {first.chart} did not answer within {REGISTRY:g} s"
    if not answer.ok:
        return f"the registry of {first.chart} does not provide it: {answer.words}"
    return None if steps.agree(_ABOUT) else "you did not agree to install them (--yes does)"


def platform(options: BootstrapOptions, env: Mapping[str, str]) -> list[Release]:
    """The releases that are wanted, in order."""
    import yaml

    spaces = options.namespaces
    names = {
        "amp": spaces.amp,
        "observability": spaces.observability,
        "data_plane": spaces.data_plane,
        "amp_version": env.get("AMP_CHART_VERSION") or AMP_VERSION,
    }
    data = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    return releases.wanted(releases.releases(data, names), minimal=options.minimal)


def install(
    steps: Steps,
    options: BootstrapOptions,
    cluster: BootstrapCluster,
    env: Mapping[str, str],
    fetch: Fetch = fetched,
) -> None:
    """Every release that is not there in its version. Raises KfwError at the first that fails."""
    there = releases.installed(steps.ask(releases.list_all(cluster), assume="[]").out)
    todo = platform(options, env)
    if any(release.network for release in todo) and has_network(steps, cluster):
        steps.say("platform: the cluster has kind's own network, so it gets no other")
        todo = [release for release in todo if not release.network]
    for release in todo:
        found = there.get((release.namespace, release.name))
        releasing.ensure(steps, release, cluster, found, options.values, fetch)


def has_network(steps: Steps, cluster: BootstrapCluster) -> bool:
    """kind's own network plugin: a second one beside it would take the nodes' network apart."""
    line = cluster.kubectl("get", "daemonset", "kindnet", "--namespace", "kube-system", "--output", "name")
    return bool(steps.ask(line).out.strip())


def apply_stand_ins(steps: Steps, options: BootstrapOptions, cluster: BootstrapCluster, why: str) -> None:
    steps.say(f"platform: small stand-ins take the place of OpenChoreo and the agent platform: {why}")
    apply(steps, options, cluster)


def _items(out: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads(out or "{}").get("items") or ())
    except ValueError:
        return []


def apply(steps: Steps, options: BootstrapOptions, cluster: BootstrapCluster) -> None:
    """Raises KfwError after having shown the pods when they do not come up."""
    objects = adapted(manifests(options.services), options)
    file = options.manifests
    if not steps.dry:
        make_private_dir(options.folder)
        write_atomic(file, json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}).encode())
    steps.must(cluster.kubectl("apply", "--filename", str(file)), "cannot apply the services", timeout=60.0)
    for one in (each for each in objects if each["kind"] == "Deployment"):
        _wait(steps, cluster, one["metadata"]["name"], one["metadata"]["namespace"])


def delete(steps: Steps, options: BootstrapOptions, cluster: BootstrapCluster) -> None:
    """What was applied, but the namespaces: others may have put something into them."""
    try:
        applied = json.loads(options.manifests.read_bytes())
    except (OSError, ValueError):
        return
    file = options.manifests.with_suffix(".deleting")
    applied["items"] = [one for one in applied["items"] if one["kind"] != "Namespace"]
    if not steps.dry:
        write_atomic(file, json.dumps(applied).encode())
    line = cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "--filename", str(file))
    answer = steps.do(line, timeout=60.0)
    if not answer.ok:
        steps.say(f"platform: the stand-ins are not deleted: {answer.words}")
    if not steps.dry:
        file.unlink()
        options.manifests.unlink()


def _wait(steps: Steps, cluster: BootstrapCluster, name: str, namespace: str) -> None:
    where = ["--namespace", namespace]
    line = cluster.kubectl("rollout", "status", f"deployment/{name}", *where, f"--timeout={READY}s")
    answer = steps.do(line, timeout=READY + _BEYOND)
    if not answer.ok:
        steps.say(steps.ask(cluster.kubectl("get", "pods", *where)).out)
        fix = shlex.join(cluster.kubectl("describe", "pods", *where))
        raise KfwError(f"the stand-in {name} does not become ready: {answer.words}", fix)


def adapted(objects: Iterable[Mapping[str, Any]], options: BootstrapOptions) -> list[dict[str, Any]]:
    """The manifests in the namespaces and with the image that are wanted."""
    return [_adapted(each, options) for each in objects]


def _adapted(one: Mapping[str, Any], options: BootstrapOptions) -> dict[str, Any]:
    renamed = options.namespaces.renamed()
    copy: dict[str, Any] = json.loads(json.dumps(one))  # YAML's aliases make one object of several
    meta = copy["metadata"]
    key = "name" if copy["kind"] == "Namespace" else "namespace"
    if meta.get(key) in renamed:
        meta[key] = renamed[meta[key]]
    if options.image and copy["kind"] == "Deployment":
        for container in copy["spec"]["template"]["spec"]["containers"]:
            container["image"] = options.image
    return copy
