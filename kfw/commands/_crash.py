"""What is kept of an error nobody expected: a file, so that the terminal stays readable."""

import os
import platform
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import kfw
from kfw import paths
from kfw.errors import KfwError
from kfw.secret import MASK, is_secret_name, redact
from kfw.short_paths import with_short_paths
from kfw.system.files import make_private_dir

_KEPT = 10
#: Characters of a traceback that are kept, from its end: it says what happened.
_LONGEST = 64 * 1024


def write_report(error: BaseException, argv: Sequence[str]) -> Path:
    """The file with the traceback; secrets and the home directory's name are left out of it.

    Raises KfwError or OSError.
    """
    directory = make_private_dir(paths.state_dir() / "crashes")
    report = directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    report.unlink(missing_ok=True)
    descriptor = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(_story(error, argv))
    for old in sorted(directory.glob("*.log"))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return report


def _story(error: BaseException, argv: Sequence[str]) -> str:
    versions = f"kfw {kfw.__version__}, Python {platform.python_version()} on {platform.platform()}"
    story = redact("".join(traceback.format_exception(error))[-_LONGEST:])
    text = with_short_paths(f"{versions}\nkfw {command_line(argv)}\n\n{story}")
    try:
        return text.replace(str(paths.user_home()), "~")
    except KfwError:
        return text


def command_line(argv: Sequence[str]) -> str:
    """Without the values of options that hold secrets, in either spelling: `--token=X`, `--token X`."""
    shown, hide = list[str](), False
    for argument in argv:
        name, equals, _ = argument.partition("=")
        if hide:
            shown.append(MASK)
        elif equals and is_secret_name(name):
            shown.append(f"{name}={MASK}")
        else:
            shown.append(redact(argument))
        hide = not hide and not equals and argument.startswith("-") and is_secret_name(name)
    return " ".join(shown)
