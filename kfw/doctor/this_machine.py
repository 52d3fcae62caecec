"""This machine: the files that kfw reads and writes, its daemon, and the tools that its methods run."""

import json
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kfw import __version__, client, paths
from kfw.choices import METHODS
from kfw.config.layers import load
from kfw.config.settings import Settings
from kfw.doctor.hops import HOPS, Hop
from kfw.errors import ConfigError, DaemonNotRunning, KfwError, TimedOut, ToolMissing, UsageError
from kfw.model import Forward
from kfw.names import few
from kfw.quickstart import engine_checks
from kfw.quickstart.checks import Ask, Finding, error, first_error, ok, warning
from kfw.system import shell, tools
from kfw.system.files import outside

#: Bytes that the daemon's files may need.
_ROOM = 16 << 20
#: Seconds for a tool to say its version (a dispatcher of kubectl asks the cluster for it), and for the daemon to answer.
_VERSION, _DAEMON = 2.5, 2.0
#: How each tool says its version.
_ASKS_VERSION: Mapping[str, tuple[str, ...]] = {
    "kubectl": ("version", "--client", "-o", "json"),
    "docker": ("--version",),
    "socat": ("-V",),
    "kubefwd": ("version",),
}
_VERSION_IN_WORDS = re.compile(r"\bv?(\d+\.\d+(?:\.\d+)*[-+.\w]*)")


@dataclass
class ThisMachine:
    """`settings` and `rows` are there after `files`, `kubectl` (its version) after `tools`.

    `rows`: what the daemon says of its forwards, by name; None: no daemon runs."""

    config_files: Sequence[Path]
    flags: Mapping[str, str]
    ask: Ask = shell.run
    settings: Settings | None = None
    rows: Mapping[str, Mapping[str, Any]] | None = None
    daemon: Mapping[str, Any] = field(default_factory=dict)
    kubectl: str = ""

    async def files(self) -> list[Finding]:
        found = [*await outside(lambda: list(_folders()), HOPS[Hop.FILES].seconds)]
        if first_error(found):
            return found
        try:
            self.settings = await outside(self._load, HOPS[Hop.FILES].seconds)
        except ConfigError as why:
            fix = "correct that line; `kfw config check` checks it again"
            return [*found, *(error(Hop.FILES, UsageError(problem, fix)) for problem in why.problems)]
        found.append(ok(Hop.FILES, _read_files(self.settings)))
        found += [warning(Hop.FILES, text) for text in self.settings.warnings]
        return [*found, *await self._look_at_daemon()]

    def _load(self) -> Settings:
        return load(
            Path.cwd(),
            config_files=self.config_files,
            flags=self.flags,
            config_url=os.environ.get("KFW_CONFIG_URL", ""),
        )

    async def _look_at_daemon(self) -> list[Finding]:
        try:
            told = json.loads(
                await outside(lambda: client.status_raw(timeout=_DAEMON), HOPS[Hop.FILES].seconds)
            )
        except DaemonNotRunning:
            return [ok(Hop.FILES, "no daemon is running; `kfw up` starts it")]
        except (KfwError, ValueError) as why:
            what = why.what if isinstance(why, KfwError) else "the daemon's answer is not JSON"
            return [warning(Hop.FILES, what, "kfw restart --daemon, or kfw stop and kfw up")]
        project = self.settings.project_file if self.settings else None
        here = str(project or paths.config_file())
        self.rows = {_called(row, here): row for row in told["forwards"]}
        self.daemon = told["daemon"]
        return list(_daemon_findings(self.daemon, len(self.rows)))

    async def tools(self, forwards: Iterable[Forward]) -> list[Finding]:
        """A tool that a forward names by its method must be there, others are only looked at."""
        needed = needed_tools(forwards)
        found = [ok(Hop.TOOLS, f"kfw {__version__}, Python {platform.python_version()}")]
        for tool in dict.fromkeys(("kubectl", *needed)):
            names = needed.get(tool, ())
            found.append(await outside(lambda tool=tool, names=names: self._tool(tool, names), 10))  # type: ignore[misc]
        return found

    def _tool(self, tool: str, needed_by: Sequence[str]) -> Finding:
        """Blocking."""
        try:
            place = tools.find(tool)
        except ToolMissing as missing:
            if not needed_by:
                return ok(Hop.TOOLS, f"{tool} is not on PATH; nothing here needs it")
            missing.what += f", needed for {few(needed_by)}"
            return error(Hop.TOOLS, missing)
        if tool == "docker":
            answer = engine_checks.answers(self.ask, os.environ)
            return Finding(Hop.TOOLS, answer.level, f"docker: {answer.what}", answer.fix, answer.exit_code)
        version = self._version(tool)
        if tool == "kubectl":
            self.kubectl = version
        return ok(Hop.TOOLS, f"{tool} {version or 'of unknown version'} ({place})")

    def _version(self, tool: str) -> str:
        try:
            answer = self.ask([tool, *_ASKS_VERSION.get(tool, ("--version",))], timeout=_VERSION)
        except (ToolMissing, TimedOut):
            return ""
        return version_in(answer.out or answer.err)


def needed_tools(forwards: Iterable[Forward]) -> dict[str, list[str]]:
    """By tool, the names of the forwards whose method runs it; `auto` can do without any."""
    found: dict[str, list[str]] = {}
    for forward in forwards:
        if forward.method in METHODS and (tool := METHODS[forward.method].tool):
            found.setdefault(tool, []).append(forward.name)
    return found


def version_in(words: str) -> str:
    """`1.34.1` of what a tool says of itself: JSON as kubectl's, or a line; "" if there is none."""
    try:
        version = json.loads(words)["clientVersion"]["gitVersion"]
    except (ValueError, KeyError, TypeError, RecursionError):
        version = words
    found = _VERSION_IN_WORDS.search(str(version))
    return found[1] if found else ""


def _folders() -> Iterator[Finding]:
    """Of what kfw writes; what is not there yet is made in the nearest folder that is. Raises UsageError without a home."""
    for folder in dict.fromkeys((paths.state_dir(), paths.runtime_dir())):
        existing = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
        if not os.access(existing, os.W_OK | os.X_OK):
            why = KfwError(f"cannot write to {existing}, where kfw keeps its files", f"ls -ld {existing}")
            yield error(Hop.FILES, why)
            return
        free = shutil.disk_usage(existing).free
        if free < _ROOM:
            what = f"only {free >> 20} MB are free in {existing}, where kfw keeps its files"
            yield warning(Hop.FILES, what, f"df -h {existing}")


def _read_files(settings: Settings) -> str:
    if not settings.files:
        return f"no kfw.yaml in {Path.cwd()} or above, and no {paths.config_file()}"
    count = len(settings.forwards)
    forwards = f"{count} forward{'' if count == 1 else 's'}"
    if settings.selections:
        forwards += f", and what the profiles {few(settings.selections)} select"
    return f"{', '.join(map(str, settings.files))}: {forwards}"


def _called(row: Mapping[str, Any], here: str) -> str:
    """In the project `here`: two projects may have one name, see protocol.ForwardStatus."""
    return str(row["name"] if row.get("project") == here else row.get("displayName") or row["name"])


def _daemon_findings(daemon: Mapping[str, Any], forwards: int) -> Iterator[Finding]:
    version = daemon.get("version")
    many = f"{forwards} forward{'' if forwards == 1 else 's'}"
    yield ok(Hop.FILES, f"the daemon runs (pid {daemon.get('pid')}, kfw {version}), with {many}")
    if version != __version__:
        what = f"the daemon is of kfw {version}, this is kfw {__version__}"
        yield warning(Hop.FILES, what, "kfw restart --daemon")
    for text in daemon.get("warnings", ()):
        yield warning(Hop.FILES, str(text))
