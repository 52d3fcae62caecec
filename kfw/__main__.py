"""`kfw` and `python -m kfw`."""

import sys

from kfw import cli


def main() -> int:
    return cli.run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
