"""The browser and the clipboard of the user, and the command line that talks to a forward. They block; raise KfwError."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kfw import view
from kfw.errors import KfwError
from kfw.system.clipboard import copy as copy_text

Row = Mapping[str, Any]
#: Seconds until a browser must have taken the URL.
_LIMIT = 10.0


def browse(row: Row) -> str:
    """Its page, where it has one. In a process of its own: what a browser says must not get on the screen."""
    url = view.page_url(row) or view.local(row)
    if not url.startswith(("http://", "https://")):
        raise KfwError(
            f"{view.shown(row)} is not known to speak HTTP: it is on {url}", "c copies its address"
        )
    if not has_desktop(os.environ, sys.platform):
        raise KfwError("cannot open a browser: none was found", f"open it yourself: {url}")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "webbrowser", url],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise KfwError(f"cannot open a browser: {error}", f"open it yourself: {url}") from error
    if done.returncode:
        raise KfwError("cannot open a browser: none was found", f"open it yourself: {url}")
    return f"opened {url}"


def has_desktop(environ: Mapping[str, str], platform: str) -> bool:
    """A browser in the terminal would take the app's screen. Pure."""
    return platform == "darwin" or any(
        environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER")
    )


def copy(row: Row, what: str) -> str:
    """`what`: url or command."""
    text = command_for(row) if what == "command" else view.local(row)
    return f"copied by {copy_text(text, os.environ)}: {text}"


class Protocol(NamedTuple):
    """`words`: parts of the name of a port or target; `ports`: what its servers listen on."""

    words: tuple[str, ...]
    ports: tuple[int, ...]
    command: Callable[[str, int], str]


#: The first that fits. Ports are those of https://www.iana.org/assignments/service-names-port-numbers.
_PROTOCOLS = (
    Protocol(("postgres", "psql", "pgsql"), (5432,), lambda host, port: f"psql -h {host} -p {port}"),
    # With "localhost" it would use its unix socket.
    Protocol(("mysql", "mariadb"), (3306,), lambda _, port: f"mysql -h 127.0.0.1 -P {port}"),
    Protocol(("redis", "valkey"), (6379,), lambda host, port: f"redis-cli -h {host} -p {port}"),
    Protocol(("mongo",), (27017,), lambda host, port: f"mongosh mongodb://{host}:{port}"),
    Protocol(("kafka",), (9092,), lambda host, port: f"kcat -b {host}:{port} -L"),
    Protocol(("nats",), (4222,), lambda host, port: f"nats -s {host}:{port} server check connection"),
    Protocol(("ssh",), (22,), lambda host, port: f"ssh -p {port} {host}"),
    Protocol(("ldap",), (389,), lambda host, port: f"ldapsearch -x -H ldap://{host}:{port}"),
    Protocol(("grpc",), (50051,), lambda host, port: f"grpcurl -plaintext {host}:{port} list"),
    Protocol(("http", "web"), (80, 8080), lambda host, port: f"curl http://{host}:{port}/"),
)


def command_for(row: Row) -> str:
    """What the user would type next. Pure.

    `curl http://localhost:8080/`, `psql -h localhost -p 5432`; of what nothing is known: `nc localhost 7000`.
    """
    host, port = view.address(row)
    url = row.get("url") or ""
    if url.startswith(("http://", "https://")):
        # A certificate is for the name in the cluster.
        return f"curl -k {url}/" if url.startswith("https://") else f"curl {url}/"
    found = _protocol(row)
    return found.command(host, port) if found else f"nc {host} {port}"


def _protocol(row: Row) -> Protocol | None:
    """The port says most, then its name, then the target's name."""
    numbers = {row.get("targetPort"), (row.get("endpoint") or {}).get("port")}
    for protocol in _PROTOCOLS:
        if numbers & set(protocol.ports):
            return protocol
    for name in (str(row.get("targetPort") or ""), str(row["target"]).rpartition("/")[2]):
        for protocol in _PROTOCOLS:
            if any(word in name for word in protocol.words):
                return protocol
    return None
