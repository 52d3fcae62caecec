"""The platform: what is missing of the services comes from helm, or from stand-ins where that cannot be."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfw.bootstrap import releases, releasing, standins
from kfw.bootstrap.cluster import Cluster
from kfw.bootstrap.forwards import namespace_of, wanted
from kfw.bootstrap.options import Options
from kfw.bootstrap.releases import Release
from kfw.bootstrap.releasing import Fetch, fetched
from kfw.bootstrap.steps import Steps
from kfw.errors import TimedOut
from kfw.model import Kind
from kfw.system import tools

DATA = Path(__file__).with_name("platform.yaml")
#: The agent platform's charts, where AMP_CHART_VERSION names no other version.
AMP_VERSION = "0.1.0-rc4"

#: Seconds that the registry of charts gets to answer; without network it does not.
REGISTRY = 30.0

_ABOUT = "install OpenChoreo and the agent platform, which takes 15 to 20 minutes (no: five small stand-ins)"


def missing_services(steps: Steps, options: Options, cluster: Cluster) -> list[str]:
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


def why_no_helm(steps: Steps, options: Options, env: Mapping[str, str]) -> str | None:
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
        return f"the registry of {first.chart} does not give it: {answer.words}"
    return None if steps.agree(_ABOUT) else "you did not ask for them; --yes does"


def platform(options: Options, env: Mapping[str, str]) -> list[Release]:
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
    steps: Steps, options: Options, cluster: Cluster, env: Mapping[str, str], fetch: Fetch = fetched
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


def has_network(steps: Steps, cluster: Cluster) -> bool:
    """kind's own network plugin: a second one beside it would take the nodes' network apart."""
    line = cluster.kubectl("get", "daemonset", "kindnet", "--namespace", "kube-system", "--output", "name")
    return bool(steps.ask(line).out.strip())


def apply_stand_ins(steps: Steps, options: Options, cluster: Cluster, why: str) -> None:
    steps.say(f"platform: small stand-ins take the place of OpenChoreo and the agent platform: {why}")
    standins.apply(steps, options, cluster)


def _items(out: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads(out or "{}").get("items") or ())
    except ValueError:
        return []
