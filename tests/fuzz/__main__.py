"""usage: python -m tests.fuzz [--seconds N] [--area AREA]... [--seed N] [--cases N]

Throws generated input at what takes input from outside, prints what it finds with the seed that does it again, and a table.
Exit code 0 when nothing was found, 1 when something was, 3 when a case hung, 4 when the process itself was ended.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.areas import ALL, DEFAULT
from tests.fuzz.runner import Options, run, say
from tests.fuzz.watchdog import HANG

CRASHED = 4
#: Bytes of address space: what is not bounded fails here, before the machine suffers.
_MOST_MEMORY = 6 << 30


def main(argv: list[str]) -> int:
    asked = _arguments(argv)
    if asked.note:
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        options = Options(asked.seed, asked.seconds, asked.cases, Path(asked.note))
        return run([ALL[name] for name in asked.area], options)
    return _in_a_child(asked)


def _in_a_child(asked: argparse.Namespace) -> int:
    """So that the seed is told even when the process that tries it is killed, or falls over in C."""
    with tempfile.NamedTemporaryFile("r", prefix="kfw-fuzz-note-") as note:
        argv = ["--seed", str(asked.seed), "--seconds", str(asked.seconds), "--note", note.name]
        argv += [word for name in asked.area for word in ("--area", name)]
        argv += ["--cases", str(asked.cases)] if asked.cases is not None else []
        code = subprocess.run(
            [sys.executable, "-X", "dev", "-m", "tests.fuzz", *argv], check=False
        ).returncode
        if code in (0, 1, HANG):
            return code
        say(f"CRASH: the process ended with {code} in {note.read() or 'its start'}")
        return CRASHED


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--seconds", type=float, default=300.0, help="of all areas together (default: 300)")
    parser.add_argument(
        "--area",
        action="append",
        choices=sorted(ALL),
        metavar="AREA",
        help=f"{', '.join(DEFAULT)} (default: all)",
    )
    parser.add_argument("--seed", type=int, default=None, help="of the first case (default: the time)")
    parser.add_argument("--cases", type=int, default=None, help="of each area at most (default: what fits)")
    parser.add_argument("--note", default=None, help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    asked.area = asked.area or list(DEFAULT)
    asked.seed = int(time.time()) % 1_000_000_000 if asked.seed is None else asked.seed
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
