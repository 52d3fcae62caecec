"""socat's command line, and what its lines mean. Pure."""

import logging
import re
from ipaddress import IPv6Address

from kfw.errors import KfwError
from kfw.model import Reason

#: The default of 8 KiB costs half the throughput and more (docs/performance.md).
BUFFER = 131072

#: `2026/11/21 08:23:47 socat[31006] E bind(5, {AF=2 127.0.0.1:8080}, 16): Address already in use`
_LINE = re.compile(r"^\S+ \S+ socat\[(?P<pid>\d+)\] (?P<level>[FEWNID]) (?P<text>.*)$")
#: What ends a connection: `connect(5, ...): Connection refused`, `read(5, ...)`, `write(5, ...)`. The process that
#: carries it has closed the listening socket, so the far side gets its number, 5, and the client has 6 (1.7.4, run).
_ENDED = re.compile(r"^(?:connect|read|write|recv|send|shutdown)\w*\((?P<fd>\d+),")
_CLIENT = 6
_LEVELS = {"F": logging.WARNING, "E": logging.WARNING, "W": logging.INFO}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def argv(address: str, port: int, node: str, node_port: int) -> list[str]:
    """-d: warnings too, so that the log tells of each connection that the node refused.

    Addresses from the cluster are data: anything that could be read as a socat option is refused.
    """
    listen = f"TCP-LISTEN:{port},bind={address}"
    if ":" in address:  # IPv4 has a socat of its own
        listen = f"TCP6-LISTEN:{port},bind=[{address}],ipv6only=1"
    return ["socat", "-d", f"-b{BUFFER}", f"{listen},fork,reuseaddr", f"{_target(node)}:{node_port}"]


def words(stderr: str) -> str:
    """The last error that socat told of, without its time stamp and pid; else its last line."""
    lines = [_LINE.match(line) for line in stderr.splitlines()]
    errors = [line["text"] for line in lines if line and line["level"] in "FE"]
    return errors[-1] if errors else stderr.strip().rpartition("\n")[2]


def level(stream: str, line: str) -> int:
    found = _LINE.match(line)
    if found and found["text"].startswith("exiting on signal"):
        return logging.DEBUG  # we told it to
    return _LEVELS.get(found["level"], logging.DEBUG) if found else logging.INFO


def ending(line: str) -> tuple[int, bool] | None:
    """Of a line that tells how a connection ended: the pid of the process that carried it, and whether the far side did it
    (False: the client). None for every other line."""
    found = _LINE.match(line)
    ended = _ENDED.match(found["text"]) if found and found["level"] in "EW" else None
    return (int(found["pid"]), int(ended["fd"]) != _CLIENT) if found and ended else None


def _target(node: str) -> str:
    if _NAME.fullmatch(node):  # an IPv4 address is one, too
        return f"TCP:{node}"
    if _is_ipv6(node):
        return f"TCP6:[{node}]"
    raise KfwError(f"'{node}' is not an address of a node", reason=Reason.NODE_UNREACHABLE)


def _is_ipv6(text: str) -> bool:
    try:
        zone = IPv6Address(text).scope_id
    except ValueError:
        return False
    return zone is None or zone.isalnum()  # the module would let `fe80::1%eth0,exec` pass
