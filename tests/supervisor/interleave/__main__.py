"""See the package."""

import argparse
import gc
import logging
import sys
import time

from tests.supervisor.interleave.history import draw
from tests.supervisor.interleave.play import play
from tests.supervisor.interleave.setting import LOG
from tests.supervisor.interleave.shrink import shrink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.supervisor.interleave", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this history and print it")
    parser.add_argument("--shrink", action="store_true", help="leave out what it does not need to fail")
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--to", type=int, default=1000)
    parser.add_argument("--most", type=int, default=10, help="stop after so many failures")
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
    began, failed = time.process_time(), 0
    for seed in range(args.first, args.to):
        outcome = play(draw(seed))
        if outcome.wrong:
            failed += 1
            print(f"seed {seed}: {outcome.wrong[:300]}")
            if failed >= args.most:
                break
    seconds = time.process_time() - began
    print(
        f"{failed} of {seed + 1 - args.first} failed; {seconds / (seed + 1 - args.first) * 1000:.2f} ms each"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
