"""Linux's inotify instances, of which every user has few: when they run out, nodes of a new cluster do not register.

The nodes of all clusters are one user's, root's; kind's known issues ("too many open files") have the limits that it
advises. What a node takes was counted on nodes of Kubernetes 1.34 with a few pods each: 8 for a worker, 16 for a
control plane.
"""

from pathlib import Path

from kfw.checks import Ask, Finding, ok, warning
from kfw.checks.engine import ask_engine
from kfw.engine import docker, kind
from kfw.engine.causes import MORE_INOTIFY
from kfw.engine.reachability import Here, Runtime, runtime

#: What a node takes, at most; a new cluster has two.
_PER_NODE, _NEW_NODES = 16, 2
LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")


def instances(ask: Ask, here: Here, tool: str = "docker", limit: Path | None = None) -> Finding:
    """Whether another cluster of two nodes has enough of them. Known only where the engine's kernel is this machine's."""
    try:
        most = int((limit or LIMIT).read_text())
    except (OSError, ValueError):
        most = 0
    if not most or runtime(ask_engine(ask, tool), here) not in (Runtime.LINUX, Runtime.ROOTLESS):
        return ok("inotify", "the engine's kernel is not this machine's")
    running = _nodes(ask, tool)
    told = f"{most} instances, {running} nodes of kind run"
    if most >= (running + _NEW_NODES) * _PER_NODE:
        return ok("inotify", told)
    what = f"{told} and take up to {_PER_NODE} each: the nodes of another cluster may not register"
    return warning("inotify", what, MORE_INOTIFY)


def _nodes(ask: Ask, tool: str) -> int:
    found = docker.ids(ask(docker.labelled({kind.CLUSTER_LABEL: None}, tool)).out)
    if not found:
        return 0
    return sum(node.running for node in docker.containers(ask(docker.inspect(found, tool)).out))
