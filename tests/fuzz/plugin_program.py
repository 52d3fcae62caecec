"""usage: python plugin_program.py STEPS.json: a login plugin that does what the file says. It imports nothing of kfw.

It ends by itself after 20 s, whatever it is told.
"""

import json
import os
import signal
import sys
import time
from base64 import b64decode
from typing import Any

#: Bytes that `endless` writes at most.
_MOST = 256 << 20


def main(file: str) -> None:
    signal.alarm(20)
    with open(file) as steps:  # noqa: PTH123  # pathlib takes longer to import than the rest of this runs
        for step in json.load(steps):
            _do(*step)


def _do(what: str, *details: Any) -> None:
    match what:
        case "write":
            _write(details[0], b64decode(details[1]), details[2], details[3])
        case "endless":
            data = b64decode(details[1]) or b"x"
            _write(details[0], data * (65536 // len(data) + 1), _MOST // 65536, 0)
        case "sleep":
            time.sleep(details[0])
        case "close":
            os.close(details[0])
        case "ignore":
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_IGN)
        case "child":
            _child(*details)
        case "read":
            sys.stdin.buffer.read()
        case "kill":
            os.kill(os.getpid(), details[0])
        case "exit":
            os._exit(details[0])


def _write(fd: int, data: bytes, times: int, pause: float) -> None:
    for _ in range(times):
        left = data
        while left:
            left = left[os.write(fd, left) :]
        time.sleep(pause)


def _child(keeps_pipes: bool, own_session: bool) -> None:
    if os.fork():
        return
    signal.alarm(20)  # a child does not inherit it
    if own_session:
        os.setsid()
    if not keeps_pipes:
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
    time.sleep(20)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
