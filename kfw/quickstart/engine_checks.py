"""The container engine: is docker there, which one would it talk to, does it answer, has it enough of everything.

And what kind needs besides: its tools, and enough of Linux's inotify instances.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from kfw.engine import causes, docker, kind
from kfw.engine.causes import MORE_INOTIFY
from kfw.engine.docker import Choice, Engine
from kfw.engine.reachability import Here, Runtime, runtime
from kfw.errors import ClusterUnreachable, TimedOut, ToolMissing
from kfw.quickstart.checks import Ask, Check, Finding, error, ok, remembering, tool, warning
from kfw.system.own_container import in_container

#: What the whole quick start needs; the five stand-ins do with a fraction of it.
CPUS = 4
GIB = 8
#: Seconds that an engine gets to answer.
PATIENCE = 10.0
#: Where docker listens unless it is told otherwise, and where a container's socket is mounted.
SOCKET = Path(causes.SOCKET)
_FREE_GIB = 10
#: Lines of docker's words that an error shows.
_LINES = 3
_UNITS_PER_GIB = 1024**3
#: Of Linux's inotify instances every user has few, and the nodes of all clusters are one user's, root's: when they run
#: out, nodes of a new cluster do not register. kind's known issues ("too many open files") have the limits that it advises.
#: What a node takes, at most, was counted on nodes of Kubernetes 1.34 with a few pods each: 8 for a worker, 16 for a control
#: plane. A new cluster has two nodes.
_PER_NODE, _NEW_NODES = 16, 2
LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")


def checks(ask: Ask, env: Mapping[str, str], *, tool: str = "docker") -> list[Check]:
    """In order; those behind the first error are not worth asking."""
    ask = remembering(ask)
    return [
        lambda: selection(ask, env),
        lambda: answers(ask, env, tool),
        lambda: size(ask, tool),
        lambda: disk(ask, tool),
        lambda: sdk(ask, tool),
    ]


def ask_engine(ask: Ask, tool: str = "docker") -> Engine:
    """Raises ToolMissing, TimedOut, ClusterUnreachable with docker's own words."""
    answer = ask(docker.info(tool), timeout=PATIENCE)
    told = docker.engine(answer.out)
    if isinstance(told, Engine):
        return told
    said = _without_warnings(answer.err) or _plain(answer.out)
    raise ClusterUnreachable(
        f"{tool} does not answer: {said}" if said else told.what.replace("docker", tool, 1)
    )


def answers(ask: Ask, env: Mapping[str, str], tool: str = "docker") -> Finding:
    """That an engine answers within 10 s, else what docker said, and how it is started here."""
    try:
        found = ask_engine(ask, tool)
    except (ToolMissing, TimedOut, ClusterUnreachable) as why:
        why.fix = why.fix if isinstance(why, ToolMissing) else _fix(why.what, env, tool)
        return error(tool, why)
    return ok(tool, f"{found.os or 'an engine'} {found.version}, {found.cpus} CPUs, {found.gib:g} GiB")


def size(ask: Ask, tool: str = "docker", *, cpus: int = CPUS, gib: int = GIB) -> Finding:
    found = ask_engine(ask, tool)
    if found.cpus >= cpus and found.gib >= gib - 0.5:  # a VM of 8 GiB shows some less
        return ok("size", f"{found.cpus} CPUs, {found.gib:g} GiB")
    what = f"{found.cpus} CPUs and {found.gib:g} GiB, the whole platform needs {cpus} and {gib}"
    return warning("size", what, "that is enough for the five stand-ins: --skip-openchoreo")


def disk(ask: Ask, tool: str = "docker") -> Finding:
    """Free space where the images are; known only when the engine's files are this machine's."""
    import shutil

    root = Path(ask_engine(ask, tool).root_dir or "/nowhere")
    try:
        free = shutil.disk_usage(root).free / _UNITS_PER_GIB
    except OSError:
        return ok("disk", "the engine's disk is not this machine's")
    if free >= _FREE_GIB:
        return ok("disk", f"{free:.0f} GiB free in {root}")
    return warning(
        "disk", f"{free:.1f} GiB free in {root}, the platform's images need {_FREE_GIB}", "docker system df"
    )


def selection(ask: Ask, env: Mapping[str, str]) -> Finding:
    """Which engine docker itself would use, and who else says something different."""
    try:
        answer = ask(docker.context_show(), timeout=PATIENCE)
        current = answer.out.strip() if answer.ok else ""
    except TimedOut as why:
        return error("context", why)
    except ToolMissing as why:
        return error("docker", why)
    chosen = docker.choice(env, current)
    others = _others(env, chosen)
    told = chosen.host or _host(ask, chosen.context)
    shown = f"{chosen.context} ({told})" if told else chosen.context
    if others:
        what = f"{chosen.said_by} wins: {chosen.host or chosen.context}; {' and '.join(others)} is ignored"
        return warning("context", what, f"unset {chosen.said_by}")
    return ok("context", f"{shown}, set by {chosen.said_by}")


def sdk(ask: Ask, tool: str = "docker") -> Finding:
    """That Python's docker SDK, asked in a process of its own, reaches the engine that the command line reaches."""
    answer = ask([sys.executable, "-m", "kfw.quickstart.docker_sdk"], timeout=PATIENCE)
    try:
        told = json.loads(answer.out)
    except (ValueError, RecursionError):
        return warning("sdk", f"docker's Python SDK gave no answer: {answer.words}")
    if "error" in told:
        return warning("sdk", f"docker's Python SDK cannot reach the engine: {told['error']}")
    name = ask_engine(ask, tool).name
    if told["name"] == name:
        return ok("sdk", f"reaches {told['name']} at {told['url']}")
    return warning("sdk", f"docker's Python SDK reaches {told['name']}, the command line {name}")


def _others(env: Mapping[str, str], chosen: Choice) -> list[str]:
    """What is set besides the winner and says something else."""
    if chosen.said_by == "DOCKER_HOST" and env.get("DOCKER_CONTEXT"):
        return [f"DOCKER_CONTEXT={env['DOCKER_CONTEXT']}"]
    return []


def _host(ask: Ask, context: str) -> str:
    answer = ask(docker.context_inspect(context), timeout=PATIENCE)
    return docker.context_host(answer.out) if answer.ok else ""


def _fix(words: str, env: Mapping[str, str], tool: str) -> str:
    """By what the engine said; where its words are not known it is taken for one that does not run."""
    said = causes.Said(words, Here(sys.platform, in_container(env), env), tool)
    known = causes.cause_of(said)
    if known and known[0].name != "not-running":
        return known[0].fix_for(said, known[1])
    if said.here.in_container and not said.host and not SOCKET.exists():
        return (
            f"this is a container: docker run -v {SOCKET}:{SOCKET}, or without docker: kfw up --config FILE"
        )
    return causes.how_to_start(said)


def _without_warnings(said: str) -> str:
    """docker warns of its own config file first; what failed comes after that."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "; ".join([line for line in lines if not line.startswith("WARNING")][-_LINES:])


def _plain(out: str) -> str:
    """What docker's stand-in of Docker Desktop says on stdout in a WSL without it: text where JSON was asked for."""
    return "" if out.lstrip().startswith("{") else "; ".join(out.split("\n\n")[0].split("\n")).strip("; ")


def kind_checks(ask: Ask, env: Mapping[str, str], *, provider: str = "docker") -> list[Check]:
    """In order; `provider` is the tool that runs kind's nodes."""
    ask = remembering(ask)
    return [
        tool(provider, "to run the cluster's nodes"),
        lambda: answers(ask, env, provider),
        tool("kind", "to make the cluster"),
        tool("kubectl", "to look at the cluster"),
    ]


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
