"""See the package."""

import argparse
import gc
import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor

from tests.supervisor.interleave.history import draw
from tests.supervisor.interleave.play import play
from tests.supervisor.interleave.setting import LOG
from tests.supervisor.interleave.shrink import shrink

#: Seeds that a process plays before it is given others.
PORTION = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.supervisor.interleave", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this history and print it")
    parser.add_argument("--shrink", action="store_true", help="leave out what it does not need to fail")
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--to", type=int, default=1000)
    parser.add_argument("--most", type=int, default=10, help="stop after so many failures")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    args = parser.parse_args()
    if args.seed is not None:
        history = draw(args.seed)
        if args.shrink:
            history = shrink(history, lambda shorter: bool(play(shorter).wrong))
        outcome = play(history, verbose=True)
        print(history, *outcome.told, outcome.wrong or "all is as it must be", sep="\n")
        return int(bool(outcome.wrong))
    LOG.setLevel(logging.ERROR)
    gc.freeze()
    gc.set_threshold(100_000)  # a history leaves cycles, and there are many
    portions = [range(first, min(first + PORTION, args.to)) for first in range(args.first, args.to, PORTION)]
    if args.jobs == 1:
        return _tell(map(_play, portions), args.most)
    # Forked: what is imported is imported once, and a collection does not look at it.
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("fork")) as processes:
        return _tell(
            processes.map(_play, portions), args.most, lambda: processes.shutdown(cancel_futures=True)
        )


def _play(seeds: range) -> tuple[int, float, list[str]]:
    """How many, in how many seconds of processor time, and what was wrong."""
    began = time.process_time()
    wrong = [f"seed {seed}: {words[:300]}" for seed in seeds if (words := play(draw(seed)).wrong)]
    return len(seeds), time.process_time() - began, wrong


def _tell(
    played: Iterable[tuple[int, float, list[str]]], most: int, stop: Callable[[], None] = lambda: None
) -> int:
    """The exit code. `stop`: there are enough failures."""
    count, seconds, failures = 0, 0.0, list[str]()
    for some, took, wrong in played:
        count, seconds, failures = count + some, seconds + took, failures + wrong
        print(*wrong, sep="\n", end="\n" if wrong else "")
        if len(failures) >= most:
            stop()
            break
    print(f"{len(failures)} of {count} failed; {seconds / max(count, 1) * 1000:.2f} ms each")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
