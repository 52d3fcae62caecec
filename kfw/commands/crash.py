"""What is kept of an error nobody expected: a file, so that the terminal stays readable."""

import os
import platform
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import kfw
from kfw import paths

_KEPT = 10


def write_report(error: BaseException, argv: Sequence[str]) -> Path:
    """The file with the traceback; the home directory's name is left out of it."""
    directory = paths.state_dir() / "crashes"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    report = directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    descriptor = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(_story(error, argv))
    for old in sorted(directory.glob("*.log"))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return report


def _story(error: BaseException, argv: Sequence[str]) -> str:
    versions = f"kfw {kfw.__version__}, Python {platform.python_version()} on {platform.platform()}"
    story = "".join(traceback.format_exception(error))
    return f"{versions}\nkfw {' '.join(argv)}\n\n{story}".replace(str(Path.home()), "~")
