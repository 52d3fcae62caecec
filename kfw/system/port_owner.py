"""Who has a local TCP port, and which process has the other end of a connection that was accepted here: for the message
only, nothing is ever ended because of it."""

import os
import pwd
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

PROC = Path("/proc")
#: A `lsof` that takes longer (a dead network mount) is not waited for.
LSOF_SECONDS = 2.0

_LISTEN = 0x0A
#: A client's address and port.
Client = tuple[str, int]


def spelled(client: Client | None) -> str:
    """`127.0.0.1:51234`, `[::1]:51234`; "" of one that is not known."""
    if client is None:
        return ""
    host, port = client
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class SocketRow:
    """One line of /proc/net/tcp or tcp6 (proc_pid_net(5)). `inode` 0: no process has it any more. `queued`: bytes to read;
    of a socket that listens, connections that nobody has accepted yet."""

    address: IPv4Address | IPv6Address
    port: int
    state: int
    uid: int
    inode: int
    queued: int = 0


def accept_queue(address: str, port: int) -> int:
    """Connections that whoever listens there has not accepted. Linux only, else 0."""
    here = ip_address(address)
    listening = (row for row in rows() if row.port == port and row.state == _LISTEN and row.address == here)
    return sum(row.queued for row in listening)


def holder(port: int, address: str | None = None) -> str | None:
    """`nginx (pid 41)`, or None if nobody is seen to hold the port (on `address`, or on any).

    What listens is named before what is only connected from there. A process that we may not look into is
    "another program (of user root)"; a connection in TIME_WAIT has no process and is named as what it is.
    """
    if sys.platform == "linux":
        return _on_linux(port, address)
    return _by_lsof(port)


def _on_linux(port: int, address: str | None) -> str | None:
    ours = ip_address(address) if address else None
    held = [row for row in rows() if row.port == port and _conflict(row.address, ours)]
    if not held:
        return None
    row = min(held, key=lambda row: (row.state != _LISTEN, row.inode == 0))
    if row.inode == 0:
        return "a connection that has just ended (for up to a minute)"
    return _process_with(row.inode) or f"another program (of user {_user(row.uid)})"


def rows() -> Iterator[SocketRow]:
    """All TCP sockets of this machine (or container)."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:  # no IPv6, or no /proc
            continue
        yield from map(_row, lines)


def _row(line: str) -> SocketRow:
    fields = line.split()
    address, port = fields[1].split(":")
    queued = int(fields[4].partition(":")[2], 16)
    return SocketRow(
        _address(address), int(port, 16), int(fields[3], 16), int(fields[7]), int(fields[9]), queued
    )


def _address(text: str) -> IPv4Address | IPv6Address:
    """Words of 32 bits in the machine's own byte order: 0100007F is 127.0.0.1 where that is little endian."""
    words = (bytes.fromhex(text[i : i + 8]) for i in range(0, len(text), 8))
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    address = ip_address(raw)
    return getattr(address, "ipv4_mapped", None) or address


def _conflict(theirs: IPv4Address | IPv6Address, ours: IPv4Address | IPv6Address | None) -> bool:
    """A socket on :: may take IPv4 connections as well, one on 0.0.0.0 takes no IPv6 ones."""
    if ours is None or theirs == ours:
        return True
    if theirs.is_unspecified:
        return theirs.version == ours.version or theirs.version == 6
    return ours.is_unspecified and theirs.version == ours.version


def _process_with(inode: int) -> str | None:
    """The process with the lowest pid: where several share a listening socket, that is the parent."""
    wanted = f"socket:[{inode}]"
    for pid in sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()):
        if wanted in _links(pid):
            return _named(pid)
    return None


def _links(pid: int) -> Iterator[str]:
    """What the process has open; nothing if it is another user's, or has ended."""
    try:
        for fd in (PROC / str(pid) / "fd").iterdir():
            yield str(fd.readlink())
    except OSError:
        return


def _named(pid: int) -> str:
    if pid == os.getpid():
        return "kfw itself"
    try:
        name = (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        name = "a program that is just ending"
    return f"{name} (pid {pid})"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _by_lsof(port: int) -> str | None:
    """macOS. `-Fpc` prints `p41` and `cnginx`, one to a line (lsof(8), OUTPUT FOR OTHER PROGRAMS)."""
    fields = {line[:1]: line[1:] for line in _lsof(f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc")}
    return f"{fields['c']} (pid {fields['p']})" if "c" in fields and "p" in fields else None


def processes(clients: Collection[Client]) -> dict[Client, str]:
    """`curl (pid 41)` for each client that a process of this machine is. Takes some ms; blocks meanwhile."""
    if not clients:
        return {}
    return _clients_on_linux(clients) if sys.platform == "linux" else _clients_by_lsof(clients)


def _clients_on_linux(clients: Collection[Client]) -> dict[Client, str]:
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
    for pid in sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()):
        for link in _links(pid):
            if link in sockets:
                pids[sockets[link]] = pid
    return pids


def _called(row: SocketRow, pid: int | None) -> str:
    return _named(pid) if pid is not None else f"a program of user {_user(row.uid)}"


def _clients_by_lsof(clients: Collection[Client]) -> dict[Client, str]:
    """macOS. `-Fpcn` prints `p41`, `ccurl`, and `n127.0.0.1:5123->127.0.0.1:8080` for each (lsof(8))."""
    ports = ",".join(sorted({str(port) for _, port in clients}))
    lines = _lsof(f"-iTCP:{ports}", "-sTCP:ESTABLISHED", "-Fpcn")
    return read_lsof(lines, {f"{_host(host)}:{port}": (host, port) for host, port in clients})


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


def _lsof(*options: str) -> list[str]:
    """Its lines; none where it is missing or stuck."""
    try:
        done = subprocess.run(
            ["lsof", "-nP", *options], capture_output=True, text=True, timeout=LSOF_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines()
