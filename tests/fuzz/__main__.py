"""usage: python -m tests.fuzz [--seconds N] [--area AREA]... [--seed N] [--cases N]

Throws generated input at what takes input from outside, prints what it finds with the seed that does it again, and a table.
Exit code 0 when nothing was found, 1 when something was, 3 when a case hung, 4 when the process itself was ended.
"""

import argparse
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.areas import AREAS, NAMES, make
from tests.fuzz.runner import Options, run, say
from tests.fuzz.watchdog import HANG

CRASHED = 4
#: Exit codes of a run that was told to end, as shells have them.
_INTERRUPTED = (128 + signal.SIGHUP, 128 + signal.SIGINT, 128 + signal.SIGTERM)
#: Bytes of address space: what is not bounded fails here, before the machine suffers.
_MOST_MEMORY = 6 << 30


def main(argv: list[str]) -> int:
    asked = _arguments(argv)
    _exit_when_told()
    if asked.note:
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        options = Options(asked.seed, asked.seconds, asked.cases, Path(asked.note))
        return run([make(name) for name in asked.area], options)
    return _in_a_child(asked)


def _in_a_child(asked: argparse.Namespace) -> int:
    """So that the seed is told even when the process that tries it is killed, or falls over in C."""
    with tempfile.NamedTemporaryFile("r", prefix="kfw-fuzz-note-") as note:
        argv = ["--seed", str(asked.seed), "--seconds", str(asked.seconds), "--note", note.name]
        argv += [word for name in asked.area for word in ("--area", name)]
        argv += ["--cases", str(asked.cases)] if asked.cases is not None else []
        code = _ended(subprocess.Popen([sys.executable, "-W", "default", "-m", "tests.fuzz", *argv]))
        case = note.read()
        if code in (0, HANG, *_INTERRUPTED) or (code == 1 and not case):
            return code
        say(f"CRASH: the process ended with {code} in {case or 'its start'}")
        return CRASHED


def _ended(child: subprocess.Popen[bytes]) -> int:
    """Its code. When this process is told to end, so is that one, and it is waited for: it ends what it has started."""
    try:
        return child.wait()
    except (KeyboardInterrupt, SystemExit):
        child.send_signal(signal.SIGTERM)
        return child.wait()


def _exit_when_told() -> None:
    """By an exception, so that everything that was entered is left."""

    def leave(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--seconds", type=float, default=300.0, help="of all areas together (default: 300)")
    parser.add_argument(
        "--area",
        action="append",
        choices=NAMES,
        metavar="AREA",
        help=f"{', '.join(AREAS)} (default: all)",
    )
    parser.add_argument("--seed", type=int, default=None, help="of the first case (default: the time)")
    parser.add_argument("--cases", type=int, default=None, help="of each area at most (default: what fits)")
    parser.add_argument("--note", default=None, help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    asked.area = asked.area or list(AREAS)
    asked.seed = int(time.time()) % 1_000_000_000 if asked.seed is None else asked.seed
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
