"""What kubefwd's lines mean, and its end. Hints, not a contract: whether a forward works is found by dialling it. Pure.

Lines come without colours: `INFO[13:05:07] Port-Forward:     127.1.27.1 api:80 to pod api-7d9:8080`, padded (logrus).
"""

import logging
import re
from typing import NamedTuple

from kfw.model import Problem, Reason

#: An end so soon after the start is an error of the start.
AT_START = 5.0
_LINE = re.compile(r"^(?P<level>DEBU|INFO|WARN|ERRO|FATA|PANI)\w*\s*\[[\d:. TZ+-]*\]\s*(?P<text>.*)$")
_LEVELS = {"DEBU": logging.DEBUG, "INFO": logging.DEBUG, "WARN": logging.INFO}
_FORWARD = re.compile(
    r"Port-Forward:\s+(?P<ip>127\.\d{1,3}\.\d{1,3}\.\d{1,3})\s+(?P<host>[\w.-]+):(?P<port>\d{1,5})"
    r"\s+to pod (?P<pod>[\w.-]+):(?P<pod_port>\d{1,5})"
)
_WORTH_A_LOOK = re.compile(
    r"Lost connection to|PortForward error on|Scheduling reconnection for|No Running Pods returned"
    r"|Stopped forwarding pod|marked for deletion|error readying interface"
)
_API_KEY = re.compile(r"(API[ _-]?key\b[^:=]*[:=]\s*)\S+", re.I)
#: Of kubefwd, and of sudo(8): `sudo: a password is required`, `user is not in the sudoers file`, `not allowed to execute`.
_NOT_ROOT = re.compile(
    r"superuser privileges|^sudo: .*(password|tty)|not in the sudoers|not allowed to (execute|run)", re.I
)
_CAUSES = (
    (re.compile(r"missing RBAC permission|forbidden", re.I), Reason.NOT_PERMITTED),
    (re.compile(r"Unauthorized|must be logged in|getting credentials", re.I), Reason.LOGIN_EXPIRED),
    (re.compile(r"context .* does not exist|Error in get rawConfig", re.I), Reason.CONTEXT_NOT_FOUND),
    (re.compile(r"Error connecting to k8s cluster", re.I), Reason.CLUSTER_UNREACHABLE),
    (re.compile(r"unknown (shorthand )?flag|Hosts path does not exist", re.I), Reason.BAD_CONFIG),
)


class Announced(NamedTuple):
    """A forward that kubefwd is about to make: said before it works."""

    ip: str
    host: str  # the service's name, with its namespace if that is not the first
    port: int
    pod: str
    pod_port: int


def announced(line: str) -> Announced | None:
    found = _FORWARD.search(line)
    if not found:
        return None
    port, pod_port = int(found["port"]), int(found["pod_port"])
    if not (0 < port < 65536 and 0 < pod_port < 65536):
        return None
    return Announced(found["ip"], found["host"], port, found["pod"], pod_port)


def masked(line: str) -> str:
    """Without the key of its API, which it prints if nobody has given it one."""
    return _API_KEY.sub(r"\1***", line)


def is_worth_a_look(line: str) -> bool:
    """It may be that a forward does not carry any more."""
    return _WORTH_A_LOOK.search(line) is not None


def level(stream: str, line: str) -> int:
    found = _LINE.match(line)
    if found is None:
        return logging.INFO if stream == "stderr" else logging.DEBUG  # its banner
    return _LEVELS.get(found["level"], logging.WARNING)


def words(said: str) -> str:
    """The last error or fatal line without its level and time, else the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    grave = [found for line in lines if (found := _LINE.match(line)) and found["level"] in ("ERRO", "FATA")]
    if grave:
        return grave[-1]["text"].strip()
    last = _LINE.match(lines[-1]) if lines else None
    return last["text"].strip() if last else (lines[-1] if lines else "")


def end_of(code: int, seconds: float, said: str) -> Problem:
    """Of a kubefwd that nobody told to end, `seconds` after its start. 0 is also how it says that it is not root; 2 is a
    panic of Go; from 128 on a signal, as the root side gives it."""
    if _NOT_ROOT.search(said):
        return Problem(Reason.NEEDS_ROOT, f"kubefwd needs root: {_of_sudo(said)}")
    told = words(said)
    for pattern, reason in _CAUSES if code == 1 and seconds < AT_START else ():
        if pattern.search(said):
            return Problem(reason, f"kubefwd: {told}")
    how = f"kubefwd {_how(code)}"
    return Problem(Reason.CHILD_EXITED, f"{how}: {told}" if told else how)


def _of_sudo(said: str) -> str:
    found = next((line for line in said.splitlines() if line.startswith("sudo:")), "")
    return found or "it says that it does not run as superuser, and ends with code 0"


def _how(code: int) -> str:
    if code < 0 or code > 128:
        return f"was killed by signal {-code if code < 0 else code - 128}"
    return "panicked" if code == 2 else f"exited with code {code}"
