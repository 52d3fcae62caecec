#!/bin/sh
# A test harness in Python: reads a line, takes the port out of it, and never reads again.
#> 200
#> 50 requests
#> ended by SIGTERM
# shellcheck disable=SC2086 # $PROG is several words
set -eu

exec python3 - $PROG <<'PYTHON'
import http.client
import re
import signal
import subprocess
import sys

command = [*sys.argv[1:], "--namespace=demo", "--address=127.0.0.1", "svc/web", ":80"]
forward = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> 8080\n", forward.stdout.readline())
port = int(found.group(1))


def status():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    return connection.getresponse().status


print(status())
print([status() for _ in range(50)].count(200), "requests")
forward.terminate()
print("ended by", signal.Signals(-forward.wait()).name)
PYTHON
