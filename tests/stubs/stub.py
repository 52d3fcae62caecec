#!/usr/bin/env -S python3 -SEs
"""A stub: not the tool, but a program of its name that does what a test has written down (see __init__.py)."""

import json
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path

NAME = Path(sys.argv[0]).name
HOME = Path(os.environ["KFW_STUBS"])


def record():
    call = {"argv": sys.argv[1:], "pid": os.getpid(), "env": dict(os.environ)}
    with (HOME / f"{NAME}.calls").open("a") as calls:
        calls.write(json.dumps(call) + "\n")


def listen(port):
    """`-port`: the number that follows this word of ours, as 9200 or as docker has it, 127.0.0.1:9200:8080."""
    if isinstance(port, str):
        port = int(sys.argv[sys.argv.index(port) + 1].removeprefix("127.0.0.1:").partition(":")[0])
    listener = socket.create_server(("127.0.0.1", port))
    return listener, listener.getsockname()[1]


def serve(listener, how):
    """echo: send back what comes. close: accept, then close. silent: accept, and nothing more. http: answer, then close.
    Never returns."""
    kept = []
    while True:
        ready, _, _ = select.select([listener, *kept], [], [])
        for sock in ready:
            if sock is listener:
                client, _ = listener.accept()
                client.close() if how == "close" else kept.append(client)
            elif data := sock.recv(65536):
                how == "echo" and sock.sendall(data)
                if how == "http":
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nstub")
            else:
                kept.remove(sock)
                sock.close()


def leave_behind(seconds):
    """A process of our group that outlives us, as socat's forked connections do."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(seconds)
        os._exit(0)


def say(stream, text):
    print(text, file=stream, flush=True)


def spew(stream, text, times):
    out = (sys.stdout if stream == "stdout" else sys.stderr).buffer
    for _ in range(times):
        out.write(text.encode("latin-1"))
    out.flush()


def wait_for(name):
    while not (HOME / name).exists():
        time.sleep(0.01)


def play(steps):
    listener, port = None, 0
    for step in steps:
        match next(iter(step.items())):
            case "listen", wanted:
                listener, port = listen(wanted)
            case "serve", how:
                threading.Thread(target=serve, args=(listener, how), daemon=True).start()
            case "out", text:
                say(sys.stdout, text.replace("{port}", str(port)))
            case "err", text:
                say(sys.stderr, text.replace("{port}", str(port)))
            case "bytes", arguments:
                spew(*arguments)
            case "sleep", seconds:
                time.sleep(seconds)
            case "ignore", name:
                signal.signal(signal.Signals[f"SIG{name}"], signal.SIG_IGN)
            case "leave_behind", seconds:
                leave_behind(seconds)
            case "wait_for", name:
                wait_for(name)
            case "exit", code:
                os._exit(code)
            case unknown:
                raise SystemExit(f"stub {NAME}: no such step: {unknown}")


steps = json.loads((HOME / f"{NAME}.json").read_text())
record()  # who sees the call knows that it plays the steps of before
play(steps)
os._exit(0)
