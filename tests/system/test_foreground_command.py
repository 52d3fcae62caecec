"""A signal at each moment of the start of a command: it ends the command, or the command is not started."""

import signal
import subprocess
import sys

import pytest

from tests.other_user import ROOT

#: Sends itself a signal before the Nth instruction of `CommandSignals.run`, for each N until the command is waited for, and
#: says after which ones a child was left. It has no children but the command.
PROGRAM = """
import os, signal, sys
from kfw.system.foreground_command import CommandSignals

def run(number, argv, at):
    passed = 0

    def trace(frame, event, argument):
        nonlocal passed
        if frame.f_code is not CommandSignals.run.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if passed == at:
                os.kill(os.getpid(), number)
            child = signals._child
            passed += child is None or child.returncode is None
        return trace

    with CommandSignals() as signals:
        sys._getframe().f_trace_opcodes = True  # Python 3.12 has no opcodes if no frame wants them by now
        sys.settrace(trace)
        try:
            code = signals.run(argv, os.environ)
        except SystemExit as ended:
            code = ended.code
        finally:
            sys.settrace(None)
    return code, passed

def child_left():
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False

number = int(sys.argv[1])
_, instructions = run(number, ["true"], -1)
assert instructions > 20
for at in range(instructions):
    code, _ = run(number, ["sleep", "20"], at)
    print(at, code, "child left" if child_left() else "")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_any_instruction_of_the_start_leaves_no_command_behind(
    number: signal.Signals,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(number))],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        start_new_session=True,  # with no terminal: there Ctrl+C reaches the command by itself
    )
    outcomes = [line.partition(" ")[2].strip() for line in done.stdout.splitlines()]
    assert {*outcomes} == {str(128 + number)}, done.stdout
