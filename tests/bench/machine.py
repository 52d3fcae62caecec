"""Where a run of the bench took place: what its figures depend on."""

import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.real.rig import ROOT, Rig, run


def about(rig: Rig) -> dict[str, Any]:
    """Day, commit, machine, versions; strings and numbers only."""
    versions = json.loads(rig.kubectl("version", "-o", "json"))
    return {
        "day": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "cores": os.cpu_count() or 0,
        "processor": _found(r"model name\s*: (.+)", "/proc/cpuinfo"),
        "memory_gb": round(int(_found(r"MemTotal:\s+(\d+)", "/proc/meminfo") or 0) / 1e6),
        "load": round(os.getloadavg()[2], 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "kubernetes": versions["serverVersion"]["gitVersion"],
        "kubectl": versions["clientVersion"]["gitVersion"],
    }


def _found(pattern: str, file: str) -> str:
    found = re.search(pattern, Path(file).read_text())
    return found[1].strip() if found else ""


def _commit() -> str:
    """Short, with a + when something was changed since."""
    try:
        head = run("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD", timeout=10).strip()
        changed = run("git", "-C", str(ROOT), "status", "--porcelain", "kfw", timeout=10)
    except (AssertionError, OSError, subprocess.SubprocessError):
        return ""
    return head + ("+" if changed else "")
