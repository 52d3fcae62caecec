"""kfw as a process of its own: exit code, and stdout and stderr apart."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

Done = subprocess.CompletedProcess[str]


def kfw(*arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Done:
    """With the KFW_HOME of the fixtures; no project file is found from `/`."""
    return subprocess.run(
        [sys.executable, "-m", "kfw", *arguments],
        cwd=cwd or "/",
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
