"""kind's command lines, and what they answer. Pure.

kind 0.20 to 0.33: names of clusters and nodes come on stdout, one a line; all its other words, the success too, on
stderr; `--internal` gives the nodes' names instead of 127.0.0.1, for use inside its docker network.
"""

from kfw.errors import KfwError

_PREFIX = "kind-"


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


def names(stdout: str) -> list[str]:
    """Of clusters or nodes. Compare whole names: `dev` is not `dev-2`."""
    return [line.strip() for line in stdout.splitlines() if line.strip()]


def context_of(cluster: str) -> str:
    return _PREFIX + cluster


def cluster_of(context: str) -> str | None:
    """None for a context that kind did not make."""
    return context.removeprefix(_PREFIX) if context.startswith(_PREFIX) and context != _PREFIX else None


def export_failed(stderr: str, file: str) -> KfwError:
    """kind locks `<file>.lock` without trying again, and a lock that was left behind stays for ever."""
    words = "; ".join(names(stderr)) or "it says nothing"
    fix = "kind get clusters"
    if "lock" in words:
        fix = f"if no other kind or kubectl config runs: rm {file}.lock"
    return KfwError(f"cannot export the kubeconfig to {file}: {words}", fix)
