"""Runs tests on a changed module, in a process that is forked from one which has pytest and the rest imported already."""

import ast
import os
import signal
import sys
import time
from contextlib import suppress
from enum import StrEnum
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

from tests.mutants.changes import changed

_PAUSE = 0.05


class Outcome(StrEnum):
    KILLED = "killed"
    TIMED_OUT = "too long"  #: killed, too: the tests did not come to their end
    LIVED = "lived"


def run_tests(module: str, file: Path, change: int | None, tests: tuple[str, ...], seconds: float) -> Outcome:
    """None: without a change. kfw must not be imported here, as what is forked would have it already."""
    assert "kfw" not in sys.modules
    pid = os.fork()
    if pid == 0:
        os._exit(_in_child(module, file, change, tests))
    code = _wait(pid, seconds)
    if code is None:
        return Outcome.TIMED_OUT
    return Outcome.KILLED if code else Outcome.LIVED


def _wait(pid: int, seconds: float) -> int | None:
    """Its exit code; None where it had to be ended. What it started ends with it."""
    end = time.monotonic() + seconds
    status = None
    while status is None and time.monotonic() < end:
        done, code = os.waitpid(pid, os.WNOHANG)
        status = code if done else None
        time.sleep(0 if done else _PAUSE)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if status is None:
        os.waitpid(pid, 0)
    return status


def _in_child(module: str, file: Path, change: int | None, tests: tuple[str, ...]) -> int:
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(quiet, stream)
    if change is not None:
        sys.meta_path.insert(0, Changed(module, file, change))
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # a failure need not be made smaller
    hypothesis.settings.register_profile(
        "mutants", phases=phases, database=None, derandomize=True, deadline=None
    )
    hypothesis.settings.load_profile("mutants")
    options = ("-x", "-q", "-p", "no:cacheprovider", "-m", "not real", "--assert=plain")
    try:
        return int(pytest.main([*options, *dict.fromkeys(tests)]))
    except BaseException:  # noqa: BLE001 - whatever it is, the change was seen
        return 1


class Changed(MetaPathFinder, Loader):
    """The finder and the loader of the one module that is changed."""

    def __init__(self, module: str, file: Path, change: int) -> None:
        self._module, self._file, self._change = module, file, change

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return spec_from_loader(fullname, self, origin=str(self._file)) if fullname == self._module else None

    def exec_module(self, module: ModuleType) -> None:
        tree: ast.Module = changed(self._file.read_text(), self._change)
        module.__file__ = str(self._file)
        exec(compile(tree, self._file, "exec"), module.__dict__)
