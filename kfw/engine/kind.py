"""kind's command lines, and what they answer. Pure.

kind 0.20 to 0.33: names of clusters and nodes come on stdout, one a line; all its other words, the success too, on
stderr; `--internal` gives the nodes' names instead of 127.0.0.1, for use inside its docker network.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kfw.engine.reachability import Here
from kfw.errors import KfwError

#: What kind writes on its containers.
CLUSTER_LABEL = "io.x-k8s.kind.cluster"
ROLE_LABEL = "io.x-k8s.kind.role"
CONTROL_PLANE = "control-plane"
WORKER = "worker"

_PREFIX = "kind-"
#: The tools that kind can run nodes with, in the order in which it looks for them.
_PROVIDERS = ("docker", "nerdctl", "podman")


def get_clusters() -> list[str]:
    """Names on stdout, none if there is no cluster (then a note on stderr, and still exit code 0)."""
    return ["kind", "get", "clusters"]


def get_nodes(cluster: str) -> list[str]:
    """Names of containers on stdout, of stopped ones, too."""
    return ["kind", "get", "nodes", "--name", cluster]


def export_kubeconfig(cluster: str, file: str, *, internal: bool = False) -> list[str]:
    """Adds the cluster to the file, mode 0600, and makes its context the file's current one."""
    return [
        *("kind", "export", "kubeconfig", "--name", cluster, "--kubeconfig", file),
        *(["--internal"] if internal else []),
    ]


def export_to_users(cluster: str, *, internal: bool = False) -> list[str]:
    """Into the user's own kubeconfig, whose current context becomes this one."""
    return ["kind", "export", "kubeconfig", "--name", cluster, *(["--internal"] if internal else [])]


def create_cluster(cluster: str, config: str, kubeconfig: str) -> list[str]:
    """Without --kubeconfig it would change the user's current context. Waits for nothing: without a network plugin, which
    may come later, no node becomes ready."""
    return [
        *("kind", "create", "cluster", "--name", cluster),
        *("--config", config, "--kubeconfig", kubeconfig),
    ]


def delete_cluster(cluster: str, kubeconfig: str) -> list[str]:
    return ["kind", "delete", "cluster", "--name", cluster, "--kubeconfig", kubeconfig]


def provider(env: Mapping[str, str], there: Collection[str]) -> str:
    """The tool that has the nodes; `there`: those of them that can be run here."""
    if named := env.get("KIND_EXPERIMENTAL_PROVIDER"):
        return named
    return next((tool for tool in _PROVIDERS if tool in there), "docker")


def network(env: Mapping[str, str]) -> str:
    return env.get("KIND_EXPERIMENTAL_DOCKER_NETWORK") or "kind"


def with_published_ports(config: Mapping[str, Any], node_ports: Iterable[int]) -> dict[str, Any]:
    """The cluster's configuration, with each node port published on a free port of 127.0.0.1 by its first node.

    A node port is served by every node, so one that publishes it is enough. Ports published already stay as they are.
    """
    nodes = [dict(node) for node in config.get("nodes") or [{"role": CONTROL_PLANE}]]
    there = {
        mapping.get("containerPort") for node in nodes for mapping in node.get("extraPortMappings") or ()
    }
    new = [
        {"containerPort": port, "hostPort": 0, "listenAddress": "127.0.0.1", "protocol": "TCP"}
        for port in dict.fromkeys(node_ports)
        if port not in there
    ]
    if new:
        nodes[0]["extraPortMappings"] = [*(nodes[0].get("extraPortMappings") or []), *new]
    return {**config, "nodes": nodes}


def without_network(config: Mapping[str, Any]) -> dict[str, Any]:
    """For a network plugin that comes later; until then no node becomes ready."""
    return {**config, "networking": {**(config.get("networking") or {}), "disableDefaultCNI": True}}


def names(stdout: str) -> list[str]:
    """Of clusters or nodes. Compare whole names: `dev` is not `dev-2`."""
    return [line.strip() for line in stdout.splitlines() if line.strip()]


def context_of(cluster: str) -> str:
    return _PREFIX + cluster


def cluster_of(context: str) -> str | None:
    """None for a context that kind did not make."""
    return context.removeprefix(_PREFIX) if context.startswith(_PREFIX) and context != _PREFIX else None


#: Lines of kind's own words that an error shows: of more, the first and the last.
_FIRST_LINES, _LAST_LINES = 4, 12
#: The command that failed, in kind's words: hundreds of characters of options.
_COMMAND = re.compile(r'command "(?P<start>\S+ \S+)[^"\n]*(?:"(?! failed)[^"\n]*)*" failed')


def create_failed(said: str, cluster: str, here: Here, tool: str = "docker") -> KfwError:
    """`said`: kind's own words, on stderr. The error has all of them from the first ERROR on, but the long command line."""
    words = words_of(said) or "it printed nothing"
    from kfw.engine.causes import Said, fix_of  # a large table, for an engine that refuses

    fix = fix_of(Said(words, here, tool, cluster), f"kind delete cluster --name {cluster}, then again")
    return KfwError(f"cannot create the kind cluster {cluster}: {words}", fix)


def words_of(said: str) -> str:
    """The lines that say what failed, without the long command line; bounded, since kubeadm says hundreds."""
    return "\n".join(_short(_COMMAND.sub(r"\g<start> failed", line) for line in _errors(said)))


def _errors(said: str) -> list[str]:
    """From the first line of ERROR to the last, or to the stack trace; without one the last lines."""
    lines = names(said)
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR")), None)
    if first is None:
        return lines[-2:]
    told = [line.removeprefix("ERROR: ") for line in lines[first:]]
    return told[: told.index("Stack Trace:")] if "Stack Trace:" in told else told


def _short(lines: Iterable[str]) -> list[str]:
    every = list(lines)
    left_out = len(every) - _FIRST_LINES - _LAST_LINES
    if left_out <= 1:
        return every
    return [*every[:_FIRST_LINES], f"... ({left_out} lines)", *every[-_LAST_LINES:]]


def export_failed(stderr: str, file: str, here: Here) -> KfwError:
    """kind locks `<file>.lock` without trying again, and a lock that was left behind stays for ever."""
    words = words_of(stderr) or "it printed nothing"
    from kfw.engine.causes import Said, fix_of  # a large table, for an engine that refuses

    fix = fix_of(Said(words, here), "kind get clusters")
    if "lock" in words and "denied" not in words:
        fix = f"if no other kind or kubectl config is running: rm {file}.lock"
    return KfwError(f"cannot export the kubeconfig to {file}: {words}", fix)
