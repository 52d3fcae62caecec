"""`kfw` and `python -m kfw`."""

import gc
import sys

from kfw import cli

#: New objects. Of what is made at the start nearly all stays: with Python's own number a tenth of the time until forwards
#: are active went into looking for what does not.
_COLLECT_AFTER = 2_000


def main() -> int:
    gc.set_threshold(_COLLECT_AFTER)
    return cli.run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
