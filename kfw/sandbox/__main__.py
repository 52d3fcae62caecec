"""The process of `kfw sandbox start`: serves until SIGTERM or SIGINT. Not for people, they have `kfw sandbox`."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

from kfw.errors import KfwError
from kfw.sandbox.serving import serve


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(serve(Path(sys.argv[1]), (signal.SIGTERM, signal.SIGINT)))
    except KfwError as problem:
        print(f"{problem.what}\n{problem.fix}".strip(), file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
