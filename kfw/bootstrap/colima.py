"""Colima's profile: checked, and started if it does not run and the user agrees. What runs is never stopped or changed."""

import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kfw import checks, paths
from kfw.bootstrap.steps import Steps
from kfw.checks import Finding
from kfw.checks import colima as colima_checks
from kfw.checks.colima import Asked
from kfw.checks.engine import answers
from kfw.engine import colima
from kfw.engine.colima import Mac

#: Seconds that a profile gets to start: the first time it fetches an image.
START = 600.0
#: How often, and at which distance in seconds, a started engine is asked whether it answers.
_TRIES, _PAUSE = 30, 2.0


def this_mac() -> Mac:
    version = platform.mac_ver()[0].partition(".")[0]
    return Mac(sys.platform == "darwin", platform.machine() == "arm64", int(version or 0))


def asked(steps: Steps, profile: str, mac: Mac | None = None) -> Asked:
    def exists(path: str) -> bool:
        return Path(path).exists()

    return Asked(steps.ask, profile, mac or this_mac(), os.environ, str(paths.user_home()), exists)


def ensure(steps: Steps, one: Asked, sleep: Callable[[float], None] = time.sleep) -> list[Finding]:
    """What the checks found; after a start, what they found then."""
    found = list(checks.in_order(colima_checks.checks(one)))
    worst = checks.first_error(found)
    if worst is None or worst.check != "profile" or one.machine().broken:
        return found
    line = colima.start(one.profile, one.mac)
    if not (steps.dry or steps.agree(f"start colima with: {shlex.join(line)}")):
        return found
    steps.must(line, "cannot start colima", timeout=START)
    if steps.dry:
        return found
    for _ in range(_TRIES):
        if answers(one.ask, one.env).level is not checks.Level.ERROR:
            break
        sleep(_PAUSE)
    return list(checks.in_order(colima_checks.checks(one)))
