"""kfw as another user runs it, for tests that run as root: also as one without a name and without a home."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

#: Of nobody: no name, no home, no entry anywhere. What OpenShift gives to a container.
NAMELESS = 12_345_678
ROOT = Path(__file__).parents[1]

Done = subprocess.CompletedProcess[str]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def run_as(uid: int, *arguments: str, cwd: Path | str = "/", **env: str) -> Done:
    """With these variables and no others but PATH. Skips the test where that user cannot run Python."""
    return subprocess.run(
        [_python(uid), "-m", "kfw", *arguments],
        env=environment(env),
        cwd=cwd,
        user=uid,
        group=uid,
        extra_groups=[],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def environment(env: Mapping[str, str]) -> dict[str, str]:
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    paths = os.pathsep.join((str(ROOT), packages))
    return {"PATH": os.environ["PATH"], "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", **env}


@cache
def _python(uid: int) -> str:
    """One of the same version that this user may run: that of a virtual environment may lie in root's home."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            done = subprocess.run(
                [python, "-c", "import kfw.cli, typer, msgspec, yaml"],
                env=environment({}),
                cwd="/",
                user=uid,
                group=uid,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if done.returncode == 0:
            return python
    pytest.skip("no Python that another user may run")
