"""The forwarder container: its command line, and what is said at the beginning of each connection. Pure.

A connection begins with a line `NODE PORT`; when socat in the container has connected to that, it answers `+`, and from
then on it only carries. Without `+` the app has got nothing, so the connection may be tried on another node.
"""

from collections.abc import Iterable, Mapping

#: Where the container listens.
PORT = 7000
#: On every container that kfw starts: whose it is, for which cluster, and the process that sees to it (`PID:START`).
OWNER = "io.kfw.owner"
CLUSTER = "io.kfw.forwarder"
PROCESS = "io.kfw.process"
#: On images that have sh and socat: the quick start's is one.
IMAGE_LABEL = "io.kfw.socat=true"
#: socat 1.8.0.0, for amd64 and arm64.
IMAGE = "alpine/socat:1.8.0.0@sha256:a6be4c0262b339c53ddad723cdd178a1a13271e1137c65e27f90a08c16de02b8"

CONNECTED = b"+"
#: What the container answers when it is ready, without a connection anywhere.
PING = b"ping\n"

#: sh may have been told to run a login shell or socat by the image, so it is named as the entry point.
_LISTEN = rf"""exec socat TCP-LISTEN:{PORT},fork,reuseaddr 'SYSTEM:eval \"$KFW_DIAL\",nofork'"""
#: For each connection, which is stdin and stdout. Only nodes of the cluster: it is not a proxy for the rest of the network.
_DIAL = r"""read -r node port || exit 1
[ "$node" != ping ] || exec printf +
case " $KFW_NODES " in *" $node "*) ;; *) exit 1 ;; esac
case $port in "" | *[!0-9]*) exit 1 ;; esac
exec 3<&0
exec socat "TCP:$node:$port,connect-timeout=3" 'SYSTEM:eval \"$KFW_RELAY\",nofork'
"""
#: Once connected: the client is 3, the node stdin. An end of file goes on as one; the other side has an hour to answer.
_RELAY = "printf + >&3; exec socat -b131072 -t 3600 FD:3,shut-down FD:0,shut-down"


def name(cluster: str, pid: int, number: int) -> str:
    """Never the same again: docker may still be removing the one before."""
    return f"kfw-forwarder-{cluster}-{pid}-{number}"


def run(
    tool: str, container: str, image: str, network: str, nodes: Iterable[str], labels: Mapping[str, str]
) -> list[str]:
    """In the foreground: its end is the container's, and TERM goes through to it."""
    env = {"KFW_NODES": " ".join(nodes), "KFW_DIAL": _DIAL, "KFW_RELAY": _RELAY}
    return [
        *(tool, "run", "--rm", "--name", container, "--network", network),
        *("--publish", f"127.0.0.1::{PORT}"),
        *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--user", "65534:65534"),
        *(word for key, value in env.items() for word in ("--env", f"{key}={value}")),
        *("--entrypoint", "sh", image, "-c", _LISTEN),
    ]


def preface(node: str, port: int) -> bytes:
    return f"{node} {port}\n".encode()
