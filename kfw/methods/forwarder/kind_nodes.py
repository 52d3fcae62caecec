"""What docker knows of a kind cluster's nodes, and of itself. Asked when a way is opened, and remembered for a moment."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence

from kfw.engine import docker, kind
from kfw.engine.docker import Engine, EngineContainer
from kfw.engine.reachability import Here, no_detour, no_direct_way
from kfw.errors import KfwError, TimedOut, ToolMissing
from kfw.model import Reason
from kfw.system import tools
from kfw.system.own_container import in_container
from kfw.system.process import Children
from kfw.system.shell import CommandAnswer

SECONDS = 10.0
#: What decides which tool is found and which engine it talks to.
_NAMES = ("PATH", "HOME", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK")
_PREFIXES = ("DOCKER_", "CONTAINER", "PODMAN_", "KIND_", "KFW_")
#: Engines that are kept for environments that may come back.
_MOST = 16
#: Seconds that an answer holds: forwards that are opened together ask once.
_HOLDS = 20.0


async def ask(
    children: Children, argv: Sequence[str], env: Mapping[str, str] | None = None, *, seconds: float = SECONDS
) -> CommandAnswer:
    """`env`: whose docker it is; None is this process's. Raises ToolMissing; TimedOut after having ended it."""
    said: dict[str, list[str]] = {"stdout": [], "stderr": []}
    child = await children.start(
        argv, label="kfw", base=env, on_line=lambda stream, line: said[stream].append(line)
    )
    try:
        async with asyncio.timeout(seconds):
            code = await child.wait()
    except TimeoutError:
        raise TimedOut(f"{argv[0]} did not answer within {seconds:g} s", " ".join(argv[:3])) from None
    finally:
        await child.stop(1.0)
    return CommandAnswer(tuple(argv), code, "\n".join(said["stdout"]), "\n".join(said["stderr"]))


class Docker:
    """The engine of kind's nodes, asked through its command line, so that contexts and DOCKER_HOST hold."""

    def __init__(self, children: Children, env: Mapping[str, str] = os.environ) -> None:
        self.env = env
        self._children = children
        self._known: dict[tuple[str, ...], tuple[float, str]] = {}
        self._turn = asyncio.Lock()

    @property
    def tool(self) -> str:
        there = [tool for tool in ("docker", "nerdctl", "podman") if tools.missing(tool, self.env) is None]
        return kind.provider(self.env, there)

    def missing(self) -> ToolMissing | None:
        return tools.missing(self.tool, self.env)

    async def why_not_direct(self) -> str | None:
        """Why node addresses cannot be reached from here. Raises KfwError when the engine does not say what it is."""
        return no_direct_way(await self._engine(), self._here())

    async def why_no_detour(self) -> str | None:
        """Why a container beside the nodes would be no help. Raises KfwError as above."""
        return no_detour(await self._engine(), self._here())

    async def _engine(self) -> Engine:
        told = docker.engine(await self._ask(docker.info(self.tool)))
        if isinstance(told, Engine):
            return told
        told.fix = self._fix_of(told.what, self.tool)
        raise told

    def _fix_of(self, words: str, tool: str) -> str:
        from kfw.engine.causes import Said, fix_of  # a large table, for an engine that refuses

        return fix_of(Said(words, self._here(), tool))

    def _here(self) -> Here:
        return Here(sys.platform, in_container(self.env), self.env)

    async def nodes(self, cluster: str) -> list[EngineContainer]:
        """Raises KfwError when this docker has none of that cluster."""
        labels = docker.labelled({kind.CLUSTER_LABEL: cluster}, self.tool)
        found = docker.ids(await self._ask(labels))
        if not found:
            what = f"{self.tool} has no containers of the kind cluster {cluster}"
            raise KfwError(what, "docker context ls", reason=Reason.NODE_UNREACHABLE)
        return docker.containers(await self._ask(docker.inspect(found, self.tool)))

    def forget(self) -> None:
        """What was known may be over: a node was restarted, say."""
        self._known.clear()

    async def fresh(self, argv: Sequence[str]) -> str:
        return (await ask(self._children, argv, self.env)).out

    async def _ask(self, argv: Sequence[str]) -> str:
        async with self._turn:
            since, out = self._known.get(tuple(argv), (-_HOLDS, ""))
            if time.monotonic() - since > _HOLDS:
                answer = await ask(self._children, argv, self.env)
                if not answer.ok:
                    fix = self._fix_of(answer.words, argv[0])
                    raise KfwError(f"{argv[0]}: {answer.words}", fix, reason=Reason.NODE_UNREACHABLE)
                out = answer.out
                self._known[tuple(argv)] = (time.monotonic(), out)
            return out


class Engines:
    """The docker of each environment: one shell may have another DOCKER_HOST than the next."""

    def __init__(self, children: Children, own: Mapping[str, str] = os.environ) -> None:
        self._children = children
        self._own = own
        self._known: dict[tuple[tuple[str, str], ...], Docker] = {}

    def of(self, environ: Mapping[str, str] | None) -> Docker:
        """None: that of this process."""
        env = self._own if environ is None else environ
        key = tuple(sorted(i for i in env.items() if i[0] in _NAMES or i[0].startswith(_PREFIXES)))
        found = self._known.pop(key, None) or Docker(self._children, env)
        self._known[key] = found  # the last one used comes last
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        return found
