"""The kind cluster: is it there, made if not, its stopped nodes started, its API answering.

With a kubeconfig of our own for it, the user's is touched only when the user says so; and when kfw itself runs in a
container: which one that is, and that it is on kind's network.
"""

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfw.engine import docker, kind
from kfw.engine.causes import Said, fix_of
from kfw.engine.docker import EngineContainer
from kfw.engine.reachability import Here, no_direct_way
from kfw.errors import ClusterUnreachable, KfwError, UsageError
from kfw.quickstart import engine_checks
from kfw.quickstart.checks import Level
from kfw.quickstart.engine_checks import ask_engine
from kfw.quickstart.options import BootstrapOptions
from kfw.quickstart.steps import Steps
from kfw.system.files import make_private_dir, write_atomic
from kfw.system.own_container import own_names

#: Seconds that creating a cluster may take, images pulled.
CREATE = 900.0
#: Seconds until the API of a cluster that was made or started must answer.
API = 90.0
#: Pause between two questions whether it does.
_PAUSE = 0.5
#: What docker calls the network of a container that has none of its own.
HOST_NETWORK = "host"


@dataclass(frozen=True)
class BootstrapCluster:
    """Where everything goes from here on. `name` of the kind cluster; "" for the sandbox."""

    kubeconfig: Path
    context: str
    name: str = ""

    def kubectl(self, *words: str) -> list[str]:
        """The user's own kubeconfig and its current context have no say in it."""
        return ["kubectl", "--kubeconfig", str(self.kubeconfig), "--context", self.context, *words]


def of_kind(options: BootstrapOptions) -> BootstrapCluster:
    return BootstrapCluster(options.kubeconfig, kind.context_of(options.cluster_name), options.cluster_name)


def exists(steps: Steps, name: str, here: Here, provider: str) -> bool:
    """By its whole name: `dev-2` is not `dev`. Raises ClusterUnreachable when kind cannot tell."""
    answer = steps.ask(kind.get_clusters())
    if not answer.ok:
        said = Said(answer.err, here, provider)
        what = f"kind cannot list its clusters: {kind.words_of(answer.err) or answer.words}"
        raise ClusterUnreachable(what, fix_of(said, f"{provider} info"))
    return name in kind.names(answer.out)


def ensure(
    steps: Steps, options: BootstrapOptions, here: Here, provider: str, no_network: Callable[[], bool]
) -> None:
    """Make the cluster, or start what stands still of it. Raises KfwError.

    `no_network`: whether a new cluster shall come without kind's network plugin, because the platform brings one.
    """
    name = options.cluster_name
    if not exists(steps, name, here, provider):
        if options.skip_kind:
            fix = "`kfw bootstrap` makes it (without --skip-kind); --cluster-name names another one"
            raise ClusterUnreachable(f"the kind cluster {name} does not exist", fix)
        create(steps, options, here, provider, no_network=no_network())
        return
    done = "".join(f"; {each}" for each in start_stopped(steps, options, here, provider))
    steps.say(f"cluster: the kind cluster {name} exists{done}")


def create(steps: Steps, options: BootstrapOptions, here: Here, provider: str, *, no_network: bool) -> None:
    """The user's kubeconfig and current context are not touched: kind writes into a file of ours."""
    name = options.cluster_name
    if not steps.dry:
        make_private_dir(options.folder)
    config = _configuration(steps, options, here, provider, no_network=no_network)
    room = engine_checks.instances(steps.ask, here, provider)
    if room.level is Level.WARNING:
        steps.say(f"cluster: {room.what}; {room.fix}")
    steps.say(f"cluster: creating the kind cluster {name}, which takes a minute or two")
    if not steps.dry:  # before: what is left of an interrupted run is ours to delete, too
        write_atomic(options.made, b"made by kfw bootstrap\n")
    answer = steps.do(kind.create_cluster(name, str(config), str(options.kubeconfig)), timeout=CREATE)
    if not answer.ok:  # kind has deleted what it had made
        options.made.unlink(missing_ok=True)
        raise kind.create_failed(answer.err or answer.out, name, here, provider)


def start_stopped(steps: Steps, options: BootstrapOptions, here: Here, provider: str) -> list[str]:
    """The nodes that stood still, after a restart of docker for example, or were paused; now they run.

    Returns what was done, in words. Raises ClusterUnreachable.
    """
    there = nodes(steps, options.cluster_name, provider)
    created = [node for node in there if node.created]
    if created:
        raise _never_started(created, options.cluster_name, here, provider)
    stopped = [node.name for node in there if not node.running and not node.paused]
    paused = [node.name for node in there if node.paused]
    wake = [
        *([("started", "do not run", stopped, docker.start(stopped, provider))] if stopped else []),
        *([("unpaused", "are paused", paused, docker.unpause(paused, provider))] if paused else []),
    ]
    if wake and options.skip_kind:
        what = "; ".join(f"the nodes {', '.join(names)} {state}" for _, state, names, _ in wake)
        lines = " && ".join(shlex.join(line) for *_, line in wake)
        raise ClusterUnreachable(f"of the kind cluster {options.cluster_name}, {what}", lines)
    for done, _, _, line in wake:
        _wake(steps, line, options.cluster_name, here, provider, done)
    return [f"{done} {', '.join(names)}" for done, _, names, _ in wake]


def _wake(steps: Steps, line: list[str], cluster: str, here: Here, provider: str, done: str) -> None:
    answer = steps.do(line)
    if not answer.ok:
        fix = fix_of(Said(answer.words, here, provider, cluster), shlex.join(line))
        raise ClusterUnreachable(
            f"the nodes of the kind cluster {cluster} cannot be {done}: {answer.words}", fix
        )


def _never_started(
    created: list[EngineContainer], cluster: str, here: Here, provider: str
) -> ClusterUnreachable:
    """Such a node has no Kubernetes in it: kind was interrupted, or its start failed. Starting it would not make one."""
    names, words = ", ".join(node.name for node in created), next((n.error for n in created if n.error), "")
    cause = f": {words}" if words else ", the creation of the cluster was interrupted"
    again = f"kind delete cluster --name {cluster}, then again"
    fix = fix_of(Said(words, here, provider, cluster))
    what = f"the nodes {names} of the kind cluster {cluster} were created and never started{cause}"
    return ClusterUnreachable(what, f"{fix}; {again}" if fix and again not in fix else again)


def nodes(steps: Steps, name: str, provider: str) -> list[EngineContainer]:
    """By kind's label, control planes first; never by what a name looks like."""
    found = docker.ids(steps.ask(docker.labelled({kind.CLUSTER_LABEL: name}, provider)).out)
    if not found:
        return []
    inspected = docker.containers(steps.ask(docker.inspect(found, provider)).out)
    return sorted(inspected, key=lambda node: (role(node) != kind.CONTROL_PLANE, node.name))


def role(node: EngineContainer) -> str:
    return node.labels.get(kind.ROLE_LABEL, "")


def check_worker(steps: Steps, options: BootstrapOptions, provider: str) -> None:
    """WORKER_NODE must be a node of this cluster. Forwards need no name: they go to every node that answers."""
    wanted = options.worker_node
    if not wanted or steps.imagined:
        return
    known = [node.name for node in nodes(steps, options.cluster_name, provider)]
    if wanted not in known:
        what = f"the kind cluster {options.cluster_name} has no node {wanted}, it has {', '.join(known)}"
        raise UsageError(what, "unset WORKER_NODE: kfw finds the nodes by itself")


def wait_for_api(
    steps: Steps,
    cluster: BootstrapCluster,
    seconds: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Until the API says that it is ready. Raises ClusterUnreachable with kubectl's last words."""
    deadline = clock() + seconds
    while True:
        answer = steps.ask(cluster.kubectl("get", "--raw", "/readyz", "--request-timeout", "5s"), assume="ok")
        if answer.ok:
            return
        if clock() >= deadline:
            what = f"the API of {cluster.context} does not answer: {answer.words}"
            raise ClusterUnreachable(what, _api_fix(cluster.name))
        sleep(_PAUSE)


def _api_fix(name: str) -> str:
    if not name:
        return "kfw sandbox start"
    return f"docker logs {name}-control-plane; if its creation was interrupted: kind delete cluster --name {name}"


# -- the configuration of a new cluster


def _configuration(
    steps: Steps, options: BootstrapOptions, here: Here, provider: str, *, no_network: bool
) -> Path:
    """The given one, or a copy with what this machine and the platform need."""
    given = _read(options.kind_config)
    config = kind.without_network(given) if no_network else given
    if no_direct_way(ask_engine(steps.ask, provider), here):
        steps.say("cluster: node addresses cannot be reached from here, so docker publishes its node ports")
        config = kind.with_published_ports(config, node_ports(options.services))
    if config == given:
        return options.kind_config
    if not steps.dry:
        write_atomic(options.new_cluster, json.dumps(config, indent=2).encode())
    return options.new_cluster


def node_ports(services: Path) -> list[int]:
    """The fixed node ports of these manifests."""
    specs = (manifest.get("spec") or {} for manifest in manifests(services))
    ports = (port for spec in specs for port in spec.get("ports") or ())
    return [int(port["nodePort"]) for port in ports if port.get("nodePort")]


def manifests(file: Path) -> list[dict[str, Any]]:
    """Every object of a file of manifests. Raises UsageError."""
    import yaml

    try:
        found: Iterable[Any] = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
    return [manifest for manifest in found if isinstance(manifest, dict)]


def _read(file: Path) -> dict[str, Any]:
    found = manifests(file)
    if len(found) != 1:
        raise KfwError(f"{file} is not a configuration of a kind cluster: it has {len(found)} documents")
    return found[0]


def export(steps: Steps, options: BootstrapOptions, here: Here, *, internal: bool) -> BootstrapCluster:
    """`internal`: with the nodes' names, for use inside kind's network. Raises KfwError with kind's words."""
    name, file = options.cluster_name, options.kubeconfig
    if not steps.dry:
        make_private_dir(options.folder)
    line = kind.export_kubeconfig(name, str(file), internal=internal)
    _export(steps, line, str(file), here, again=file.exists())
    if options.use_context:
        _export(steps, kind.export_to_users(name, internal=internal), "your kubeconfig", here, again=True)
        steps.say(f"kubeconfig: the current context is {kind.context_of(name)} now")
    return BootstrapCluster(file, kind.context_of(name), name)


def _export(steps: Steps, argv: list[str], file: str, here: Here, *, again: bool) -> None:
    answer = steps.do(argv, timeout=60.0, again=again)
    if not answer.ok:
        raise kind.export_failed(answer.err, file, here)


def own(steps: Steps, here: Here, tool: str = "docker") -> EngineContainer | None:
    """None: docker knows no container by any of the names that this one may have."""
    for name in own_names(here.env):
        answer = steps.ask(docker.inspect([name], tool))
        if answer.ok and (found := docker.containers(answer.out)):
            return found[0]
    return None


def attach(steps: Steps, here: Here, tool: str = "docker") -> bool:
    """Put this container on kind's network, where the nodes' names are known. Ports published already stay published.

    True: it can use the nodes' names; False: it has the host's network, and uses what is published there. Raises KfwError.
    """
    network = kind.network(here.env)
    container = own(steps, here, tool)
    if container is None:
        raise KfwError(
            "cannot find out which container this is",
            f"docker run -e KFW_CONTAINER=NAME --name NAME ..., or: docker network connect {network} NAME",
        )
    if HOST_NETWORK in container.addresses:
        return False
    if network not in container.addresses:
        line = docker.connect(network, container.id, tool)
        answer = steps.do(line, timeout=30.0)
        if not answer.ok and "already exists" not in answer.err:
            raise KfwError(
                f"cannot attach this container to the network {network}: {answer.words}", shlex.join(line)
            )
        steps.say(f"container: {container.name} is on the network {network} now")
    return True


def network_exists(steps: Steps, here: Here, tool: str = "docker") -> bool:
    return steps.ask([tool, "network", "inspect", kind.network(here.env)]).ok
