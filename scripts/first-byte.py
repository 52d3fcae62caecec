"""usage: python3 scripts/first-byte.py [SECONDS]

How long it takes from one `kfw add` to the first byte of a service, for whoever has kfw, a kubeconfig, and no daemon yet.
kfw is the one on PATH; the service is the sandbox's, demo/web. It is told on stdout. Exit code 1 when it took longer than
SECONDS (default: 3).
"""

import json
import subprocess
import sys
import time
import urllib.request

COMMAND = ["kfw", "add", "svc/web", "--namespace", "demo", "--json"]


def first_byte() -> float:
    """Seconds. No question can be asked, as there is nobody on stdin."""
    began = time.monotonic()
    said = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout
    (forward,) = json.loads(said)["forwards"]
    with urllib.request.urlopen(forward["url"], timeout=30) as answer:
        assert answer.read(1)
    return time.monotonic() - began


def main() -> int:
    limit = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    seconds = first_byte()
    print(f"first byte of a service: one command, no question, {seconds:.2f} s")
    return int(seconds > limit)


if __name__ == "__main__":
    sys.exit(main())
