"""Colima's profile: checked, and started if it does not run and the user agrees. What runs is never stopped or changed.

The checks: is colima there, does the profile run, as what and with how much, and is it what docker talks to.
"""

import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kfw import paths
from kfw.engine import colima, docker
from kfw.engine.colima import Mac, Machine
from kfw.errors import ClusterUnreachable, KfwError, TimedOut, ToolMissing
from kfw.quickstart import engine_checks
from kfw.quickstart.checks import (
    Ask,
    Check,
    Finding,
    Level,
    error,
    first_error,
    in_order,
    ok,
    remembering,
    warning,
)
from kfw.quickstart.engine_checks import ask_engine, disk, selection
from kfw.quickstart.steps import Steps
from kfw.system.tools import find

#: Seconds that a profile gets to start: the first time it fetches an image.
START = 600.0
#: How often, and at which distance in seconds, a started engine is asked whether it answers.
_TRIES, _PAUSE = 30, 2.0


@dataclass(frozen=True)
class ProfileQuestions:
    """One round of questions about a profile. `exists`: is there such a file."""

    ask: Ask
    profile: str
    mac: Mac
    env: Mapping[str, str]
    home: str
    exists: Callable[[str], bool]

    def machine(self) -> Machine:
        """Raises ToolMissing, TimedOut."""
        answer = self.ask(colima.status(self.profile))
        if answer.ok:
            return colima.machine(answer.out, self.profile)
        if "unknown flag" in answer.err and self.ask(colima.plain_status(self.profile)).ok:
            return colima.machine("", self.profile)
        found = colima.listed(self.ask(colima.list_profiles()).out, self.profile)
        return found or Machine(self.profile, running=False)

    def start_line(self) -> str:
        return shlex.join(colima.start(self.profile, self.mac))

    def resize_line(self) -> str:
        return f"{shlex.join(colima.stop(self.profile))} && {self.start_line()}"

    def socket(self, machine: Machine) -> str:
        """The docker socket's path; "" when none is there."""
        known = [machine.socket] if machine.socket else colima.sockets(self.env, self.home, self.profile)
        return next((path for path in known if self.exists(path)), "")


def checks(asked: ProfileQuestions) -> list[Check]:
    """In order; those behind the first error are not worth asking."""
    ask = remembering(asked.ask)
    asked = ProfileQuestions(ask, asked.profile, asked.mac, asked.env, asked.home, asked.exists)
    return [
        _installed,
        lambda: runs(asked),
        lambda: runtime(asked),
        lambda: size(asked),
        lambda: socket(asked),
        lambda: selection(ask, asked.env),
        lambda: chosen(asked),
        lambda: answers(asked),
        lambda: disk(ask),
    ]


def _installed() -> Finding:
    try:
        return ok("colima", find("colima"))
    except ToolMissing as missing:
        return error("colima", missing)


def runs(asked: ProfileQuestions) -> Finding:
    machine = asked.machine()
    if machine.running:
        return ok("profile", f"{_named(asked)} runs")
    if machine.broken:
        line = f"{shlex.join(colima.stop(asked.profile, force=True))} && {asked.start_line()}"
        return error("profile", ClusterUnreachable(f"{_named(asked)} is broken", line))
    return error("profile", ClusterUnreachable(f"{_named(asked)} does not run", asked.start_line()))


def runtime(asked: ProfileQuestions) -> Finding:
    machine = asked.machine()
    if machine.runtime in ("docker", ""):
        return ok("runtime", machine.runtime or "unknown, this colima does not say")
    what = f"{_named(asked)} runs {machine.runtime}, kind needs docker, and a profile keeps its runtime"
    profile = "kfw" if machine.profile in ("", "default") else f"{machine.profile}-docker"
    fix = shlex.join([*colima.start(profile, asked.mac), "--runtime", "docker"])
    return error("runtime", KfwError(what, fix))


def size(asked: ProfileQuestions) -> Finding:
    """A warning: what runs on less may be enough for what the user wants."""
    machine = asked.machine()
    if not machine.cpus:
        return ok("size", "unknown, this colima does not say")
    told = f"{machine.cpus} CPUs, {machine.gib:g} GiB"
    if machine.cpus >= colima.CPUS and machine.gib >= colima.GIB:
        return ok("size", told)
    return warning("size", f"{told}; the platform needs {colima.CPUS} and {colima.GIB}", asked.resize_line())


def socket(asked: ProfileQuestions) -> Finding:
    found = asked.socket(asked.machine())
    if found:
        return ok("socket", found)
    return error("socket", ClusterUnreachable(f"{_named(asked)} has no docker socket", asked.resize_line()))


def chosen(asked: ProfileQuestions) -> Finding:
    """That docker itself talks to this profile; both values where it does not. kfw uses what docker uses."""
    machine = asked.machine()
    current = asked.ask(docker.context_show()).out.strip()
    choice = docker.choice(asked.env, current)
    wanted = f"unix://{asked.socket(machine)}"
    if choice.host:
        if choice.host == wanted:
            return ok("docker", f"DOCKER_HOST is {wanted}")
        return warning(
            "docker", f"DOCKER_HOST is {choice.host}, colima's socket is {wanted}", "unset DOCKER_HOST"
        )
    if choice.context == machine.context:
        return ok("docker", f"context {choice.context}")
    what = f"docker's context is {choice.context} ({choice.said_by}), colima's is {machine.context}"
    return warning("docker", what, f"docker context use {machine.context}")


def answers(asked: ProfileQuestions) -> Finding:
    """That what docker talks to answers, and is the profile's machine."""
    try:
        engine = ask_engine(asked.ask)
    except (ToolMissing, TimedOut, ClusterUnreachable) as why:
        why.fix = why.fix or asked.resize_line()
        return error("engine", why)
    if "colima" in engine.name.lower():
        return ok("engine", f"{engine.name}, docker {engine.version}")
    return Finding(
        "engine", Level.WARNING, f"docker talks to {engine.name or 'another engine'}, not to colima"
    )


def _named(asked: ProfileQuestions) -> str:
    profile = asked.profile or "default"
    return "colima" if profile == "default" else f"colima's profile {profile}"


def this_mac() -> Mac:
    version = platform.mac_ver()[0].partition(".")[0]
    return Mac(sys.platform == "darwin", platform.machine() == "arm64", int(version or 0))


def asked(steps: Steps, profile: str, mac: Mac | None = None) -> ProfileQuestions:
    def exists(path: str) -> bool:
        return Path(path).exists()

    return ProfileQuestions(steps.ask, profile, mac or this_mac(), os.environ, str(paths.user_home()), exists)


def ensure(steps: Steps, one: ProfileQuestions, sleep: Callable[[float], None] = time.sleep) -> list[Finding]:
    """What the checks found; after a start, what they found then."""
    found = list(in_order(checks(one)))
    worst = first_error(found)
    if worst is None or worst.check != "profile" or one.machine().broken:
        return found
    line = colima.start(one.profile, one.mac)
    if not (steps.dry or steps.agree(f"start colima with: {shlex.join(line)}")):
        return found
    steps.must(line, "cannot start colima", timeout=START)
    if steps.dry:
        return found
    for _ in range(_TRIES):
        if engine_checks.answers(one.ask, one.env).level is not Level.ERROR:
            break
        sleep(_PAUSE)
    return list(in_order(checks(one)))
