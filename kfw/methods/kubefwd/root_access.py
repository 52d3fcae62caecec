"""How kubefwd gets to be root: this process is, or sudo lets a file that only root can write run without a password."""

import os
import pwd
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from kfw.errors import KfwError, ToolMissing
from kfw.methods.kubefwd import command_line, root_side
from kfw.model import Problem, Reason
from kfw.system import tools

ROOT_SIDE = Path(root_side.__file__)
#: Where the user puts a copy of it, once.
INSTALLED = Path("/usr/local/libexec/kfw-kubefwd")
#: Another hosts file than the system's, of the daemon's own environment: for tests and for containers.
_HOSTS = "KFW_KUBEFWD_HOSTS"


@dataclass(frozen=True)
class RootAccess:
    """`hosts`: the file that gets the names. `sudo`: a program's name, or its path."""

    uid: int = field(default_factory=os.geteuid)
    installed: Path = INSTALLED
    sudo: str = "sudo"
    hosts: str = command_line.HOSTS

    @classmethod
    def of_this_process(cls, environ: Mapping[str, str] = os.environ) -> "RootAccess":
        return cls(hosts=environ.get(_HOSTS) or command_line.HOSTS)

    def command(self, name: str) -> list[str]:
        """What runs the root side; `name` is for people who look at processes. Raises KfwError with what is to be done."""
        if self.uid == 0:
            return [sys.executable, "-IS", str(ROOT_SIDE), name]
        if missing := tools.missing(self.sudo):
            raise ToolMissing("cannot run kubefwd as root: sudo is not installed", missing.fix)
        if not _is_ours(self.installed):
            what = f"kubefwd needs root, and {self.installed} is missing or belongs to another kfw"
            raise KfwError(what, self.fix, reason=Reason.NEEDS_ROOT)
        return [self.sudo, "-n", "--", str(self.installed), name]

    @property
    def fix(self) -> str:
        """Said, never done: whoever may run kubefwd without a password is root."""
        line = command_line.sudoers_line(user_name(self.uid), str(self.installed))
        install = f"sudo install -D -o root -m 755 {ROOT_SIDE} {self.installed}"
        return (
            f"use method tunnel, which needs no root; or {install}, and put into a file with "
            f"`sudo visudo -f /etc/sudoers.d/kfw-kubefwd` the line: {line} (docs/kubefwd.md says what that means)"
        )

    def with_fix(self, problem: Problem) -> Problem:
        return replace(problem, fix=self.fix) if problem.reason is Reason.NEEDS_ROOT else problem


@cache
def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _is_ours(installed: Path) -> bool:
    try:
        return installed.read_bytes() == ROOT_SIDE.read_bytes()
    except OSError:
        return False
