"""Which process has the other end of a connection that was accepted here: for people who look, nothing depends on it."""

import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address

from kfw.system import port_owner
from kfw.system.port_owner import LSOF_SECONDS, SocketRow, links, named, rows, user

#: A client's address and port.
Client = tuple[str, int]

_LISTEN = 0x0A


def processes(clients: Collection[Client]) -> dict[Client, str]:
    """`curl (pid 41)` for each client that a process of this machine is. Takes some ms; blocks meanwhile."""
    if not clients:
        return {}
    return _linux(clients) if sys.platform == "linux" else _lsof(clients)


def _linux(clients: Collection[Client]) -> dict[Client, str]:
    """One look at the tables, one walk through /proc. Of another user's process only the user is known."""
    wanted = {(ip_address(host), port): (host, port) for host, port in clients}
    found = {
        row.inode: (wanted[row.address, row.port], row)
        for row in rows()
        if (row.address, row.port) in wanted and row.state != _LISTEN and row.inode
    }
    pids = _pids(found)
    return {client: _called(row, pids.get(inode)) for inode, (client, row) in found.items()}


def _pids(inodes: Collection[int]) -> dict[int, int]:
    """The highest pid that has it: of a shell and its child, the child."""
    sockets = {f"socket:[{inode}]": inode for inode in inodes}
    pids: dict[int, int] = {}
    for pid in sorted(int(entry.name) for entry in port_owner.PROC.iterdir() if entry.name.isdecimal()):
        for link in links(pid):
            if link in sockets:
                pids[sockets[link]] = pid
    return pids


def _called(row: SocketRow, pid: int | None) -> str:
    return named(pid) if pid is not None else f"a program of user {user(row.uid)}"


def _lsof(clients: Collection[Client]) -> dict[Client, str]:
    """macOS. `-Fpcn` prints `p41`, `ccurl`, and `n127.0.0.1:5123->127.0.0.1:8080` for each (lsof(8))."""
    ports = ",".join(sorted({str(port) for _, port in clients}))
    argv = ["lsof", "-nP", f"-iTCP:{ports}", "-sTCP:ESTABLISHED", "-Fpcn"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LSOF_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return read_lsof(
        done.stdout.splitlines(), {f"{_host(host)}:{port}": (host, port) for host, port in clients}
    )


def read_lsof(lines: Iterable[str], clients: Mapping[str, Client]) -> dict[Client, str]:
    """`clients` by how lsof writes them."""
    found: dict[Client, str] = {}
    pid = name = ""
    for line in lines:
        field, value = line[:1], line[1:]
        if field == "p":
            pid = value
        elif field == "c":
            name = value
        elif field == "n" and (client := clients.get(value.partition("->")[0])):
            found[client] = f"{name} (pid {pid})"
    return found


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
