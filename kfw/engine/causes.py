"""Why a container engine or kind refused, by its own words, and the fix that fits. Pure.

One table, the particular before the general: the first cause whose words are found counts. The words are those of docker
20.10 to 29, podman 4 to 6, Docker Desktop and kind 0.20 to 0.33, as they print them or as their users reported them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from kfw.engine.reachability import Here

#: kind's known issue "too many open files": the limits that it advises.
MORE_INOTIFY = "sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288"
#: Where docker listens unless it is told otherwise.
SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True)
class Said:
    """What a tool said, and where: `cluster` is kind's name of it, "" where the command is about none."""

    words: str
    here: Here
    tool: str = "docker"
    cluster: str = ""

    @property
    def host(self) -> str:
        """DOCKER_HOST, which is docker's alone."""
        return self.here.env.get("DOCKER_HOST", "") if self.tool == "docker" else ""

    @property
    def mac(self) -> bool:
        return self.here.platform == "darwin"

    def again(self) -> str:
        return f"kind delete cluster --name {self.cluster}, then again" if self.cluster else "then again"


Fix = str | Callable[[Said, re.Match[str]], str]


@dataclass(frozen=True)
class Cause:
    name: str
    words: re.Pattern[str]
    fix: Fix
    of_the_image: bool = False  # another image would do

    def fix_for(self, said: Said, found: re.Match[str]) -> str:
        return self.fix if isinstance(self.fix, str) else self.fix(said, found)


def cause_of(said: Said) -> tuple[Cause, re.Match[str]] | None:
    for cause in CAUSES:
        if found := cause.words.search(said.words):
            return cause, found
    return None


def fix_of(said: Said, otherwise: str = "") -> str:
    """The line that helps; `otherwise` when the words are not known."""
    known = cause_of(said)
    return known[0].fix_for(said, known[1]) if known else otherwise


# -- fixes that depend on where


def how_to_start(said: Said, _: re.Match[str] | None = None) -> str:
    """For an engine that does not answer: by what was asked, then by the socket's place, then by the system."""
    if said.host:
        return f"DOCKER_HOST is {said.host}: start that engine, or unset DOCKER_HOST"
    if said.tool == "podman":
        return "podman machine start" if said.mac else "systemctl --user start podman.socket"
    for part, line in _SOCKETS_OF:
        if part in said.words:
            return f"{line}, or use another engine: docker context ls"
    if far := _FAR.search(said.words):
        return f"start the engine at {far[0]}, or use another one: docker context ls"
    if said.mac:
        return "start Docker Desktop, or: kfw bootstrap colima --start"
    return "sudo systemctl start docker"


#: Parts of the paths at which engines for desktops listen, and how each is started.
_SOCKETS_OF = (
    ("/.colima/", "kfw bootstrap colima --start"),
    ("/colima/", "kfw bootstrap colima --start"),
    ("/.rd/", "start Rancher Desktop"),
    ("/.orbstack/", "start OrbStack"),
    ("/.docker/run/", "start Docker Desktop"),
    ("/.docker/desktop/", "start Docker Desktop"),
    ("docker_engine", "start Docker Desktop"),
    ("podman.sock", "systemctl --user start podman.socket"),
)
_FAR = re.compile(r"(?:tcp|ssh)://[^\s,;\"']+[^\s,;\"'.]")


def _join_group(said: Said, found: re.Match[str]) -> str:
    if said.tool == "podman":
        return "systemctl --user start podman.socket, and without sudo: each user has their own podman"
    path = found["path"] or SOCKET
    if said.here.in_container:
        return f"docker run --group-add $(stat -c %g {path}) ...: this container's user is not in the socket's group"
    if said.mac:
        return f"log in as the user who owns {path}, or use another engine: docker context ls"
    return "sudo usermod -aG docker $USER, then log in again (in this shell: newgrp docker)"


def _other_context(said: Said, found: re.Match[str]) -> str:
    if said.here.env.get("DOCKER_CONTEXT") == found["context"]:
        return "unset DOCKER_CONTEXT, or name one of: docker context ls"
    return "docker context use default, or name one of: docker context ls"


def _version(said: Said, _: re.Match[str]) -> str:
    if named := said.here.env.get("DOCKER_API_VERSION"):
        return f"DOCKER_API_VERSION is {named}: unset DOCKER_API_VERSION"
    return f"install the same version of {said.tool}'s command line and its engine: {said.tool} version"


def _free_port(said: Said, found: re.Match[str]) -> str:
    port = next(filter(None, found.groups()), "")
    who = (
        f"free port {port} (lsof -nP -iTCP:{port} -sTCP:LISTEN, {said.tool} ps)" if port else "free that port"
    )
    return f"{who}, or take it out of the cluster's configuration"


def _pull(said: Said, found: re.Match[str]) -> str:
    return (
        "pull the node's image where the network allows it, or name one that is here as `image:` of the cluster's "
        f"configuration: {said.tool} images kindest/node"
    )


def _exists(said: Said, _: re.Match[str]) -> str:
    return f"kind delete cluster --name {said.cluster or 'NAME'}, or name another one with CLUSTER_NAME"


def _name_taken(said: Said, found: re.Match[str]) -> str:
    return f"{said.tool} rm {found['name']} if nobody needs it, then again"


def _keep_nodes(said: Said, _: re.Match[str]) -> str:
    name = said.cluster or "NAME"
    return f"kind create cluster --name {name} --retain, then: kind export logs --name {name}"


def _no_room(said: Said, _: re.Match[str]) -> str:
    return f"{said.tool} system df shows what takes the room, {said.tool} system prune frees what nobody uses"


def _unlock(_: Said, found: re.Match[str]) -> str:
    return f"if no other kind or kubectl config is running: rm {found['lock']}"


def _cause(name: str, words: str, fix: Fix, *, of_the_image: bool = False) -> Cause:
    return Cause(name, re.compile(words, re.IGNORECASE), fix, of_the_image)


CAUSES: tuple[Cause, ...] = (
    # -- docker's command line cannot even ask
    _cause(
        "wsl-1",
        r"could not be found in this WSL 1 distro",
        "in PowerShell: wsl --set-version DISTRIBUTION 2; then in Docker Desktop: Settings > Resources > WSL "
        "integration",
    ),
    _cause(
        "wsl-integration",
        r"could not be found in this WSL 2 distro|activate the WSL integration",
        "in Docker Desktop for Windows: Settings > Resources > WSL integration, switch this distribution on",
    ),
    _cause(
        "no-context",
        r"context \"?(?P<context>[^\s\":]+)\"?:? (?:context )?(?:not found|does not exist)",
        _other_context,
    ),
    _cause(
        "certificates",
        r"unable to resolve docker endpoint: open (?P<file>\S+\.pem)",
        lambda _, found: (
            f"DOCKER_CERT_PATH must be the folder of {found['file'].rpartition('/')[2]}, or unset "
            "DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"
        ),
    ),
    _cause(
        "bad-host",
        r"invalid bind address format|unable to parse docker host|unsupported protocol|protocol not available",
        "DOCKER_HOST takes unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST; or unset DOCKER_HOST",
    ),
    _cause("api-version", r"client version \S+ is too (?:old|new)|Maximum supported API version", _version),
    # -- the engine
    _cause(
        "permission",
        r"permission denied while trying to connect to the \w+ [^\n]*?(?:unix://(?P<path>[^\s:\"]+))?(?::|$|\n)"
        r"|dial unix [^\s:]+: connect: permission denied",
        _join_group,
    ),
    _cause(
        "ssh",
        r"command \[ssh [^\]]*\] has exited|ssh: (?:connect to host|could not resolve|permission denied)",
        lambda said, _: (
            f"try it by hand: ssh {said.host.removeprefix('ssh://') or 'HOST'} docker version; or unset "
            "DOCKER_HOST"
        ),
    ),
    _cause(
        "not-running",
        r"cannot connect to the docker daemon|is the docker daemon running|error during connect"
        r"|(?:cannot|unable to) connect to podman|dial unix \S+: connect: (?:no such file|connection refused)"
        r"|docker desktop is not running|cannot connect to `?nerdctl|containerd\.sock: connect"
        r"|the docker daemon is paused|docker desktop is (?:manually )?paused",
        how_to_start,
    ),
    # -- the cluster's name and containers
    _cause("cluster-exists", r"node\(s\) already exist for a cluster with the name", _exists),
    _cause(
        "name-taken",
        r"container name \"?/?(?P<name>[^\s\"]+)\"? is already in use",
        _name_taken,
    ),
    # -- resources of this machine
    _cause(
        "inotify",
        r"too many open files|inotify\w*(?:[^\n]*)no space left|failed to create (?:fsnotify watcher|inotify)",
        lambda said, _: f"{MORE_INOTIFY}, {said.again()}",
    ),
    _cause("disk", r"no space left on device|disk quota exceeded|not enough (?:free )?space", _no_room),
    _cause(
        "privileged-port",
        r"cannot expose privileged port (?P<port>\d+)|listen tcp\d? \S+:(?P<port2>\d+): bind: permission denied",
        lambda _, found: (
            f"sudo sysctl net.ipv4.ip_unprivileged_port_start={found['port'] or found['port2']}, or take "
            "the port out of the cluster's configuration"
        ),
    ),
    _cause(
        "port",
        r"host port (?:for )?\S*?:(\d+)[^\n]*(?:in use|allocated)|exposing port TCP \S*?:(\d+)"
        r"|:(\d+)(?:/tcp)?(?: failed)?: (?:bind: )?(?:port is already allocated|address already in use|only one usage)",
        _free_port,
    ),
    _cause(
        "some-port", r"port is already allocated|address already in use|ports are not available", _free_port
    ),
    _cause(
        "memory",
        r"cannot allocate memory|out of memory|oom-?kill|exit(?:ed with)? (?:status|code):? 137|signal: killed",
        "give the engine more memory (two nodes need 4 GiB), or end other clusters: kind get clusters",
    ),
    _cause(
        "networks",
        r"non-overlapping IPv4 address pool|pool overlaps with other|predefined address pools have been fully subnetted",
        lambda said, _: f"{said.tool} network prune removes networks that nobody uses",
    ),
    _cause(
        "iptables",
        r"iptables(?: --wait)?[^\n]*(?:failed|no chain)|no chain/target/match|failed to set up container networking: nft",
        "sudo systemctl restart docker: its firewall rules are gone",
    ),
    _cause(
        "no-network",
        r"network kind not found|network \S+ (?:not found|does not exist)",
        lambda said, _: f"{said.tool} network ls; {said.again()}",
    ),
    _cause(
        "delegate",
        r"requires setting systemd property \"?Delegate=yes",
        "systemd-run --scope --user --property=Delegate=yes kfw bootstrap; for good: "
        "https://kind.sigs.k8s.io/docs/user/rootless/",
    ),
    _cause(
        "cgroup-v2",
        r"requires cgroup v2|cgroup v1 (?:is )?(?:not supported|deprecated|unsupported)|host using cgroup v1"
        r"|cgroups?: cgroup mountpoint does not exist",
        "rootless engines need cgroup v2: boot with systemd.unified_cgroup_hierarchy=1, or use docker as root",
    ),
    _cause(
        "id-map",
        r"newuidmap|newgidmap|/etc/sub[ug]id|insufficient UIDs or GIDs",
        "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER, then: podman system migrate",
    ),
    _cause(
        "shared-folder",
        r"mounts denied|is not shared from the host",
        "share that folder in Docker Desktop: Settings > Resources > File sharing",
    ),
    # -- the node itself
    _cause(
        "no-boot",
        r"could not find a log line that matches|container state improper|container \S+ is not running",
        lambda said, found: f"often {MORE_INOTIFY} helps; else {_keep_nodes(said, found)}",
    ),
    _cause(
        "kubeadm", r"failed to init node with kubeadm|failed to join node|error execution phase", _keep_nodes
    ),
    # -- the node's image
    _cause(
        "processor",
        r"exec format error|no matching manifest for|does not match the (?:specified|detected host) platform",
        "name an image for this machine's processor as `image:` of the cluster's configuration",
        of_the_image=True,
    ),
    _cause(
        "rate-limit",
        r"toomanyrequests|pull rate limit|429 too many requests",
        lambda said, _: f"{said.tool} login, or wait an hour: the registry counts pulls",
        of_the_image=True,
    ),
    _cause(
        "credential-helper",
        r"error getting credentials|docker-credential-\S+",
        "take credsStore out of ~/.docker/config.json, or put that program on PATH",
        of_the_image=True,
    ),
    _cause(
        "not-in-registry",
        r"pull access denied|manifest unknown|manifest for \S+ not found|repository does not exist|no such image"
        r"|image not known",
        lambda said, _: f"correct `image:` of the cluster's configuration, or {said.tool} login",
        of_the_image=True,
    ),
    _cause(
        "registry-certificate",
        r"x509: ",
        "a proxy signs for the registry: add its certificate to the engine's (/etc/docker/certs.d), or pull elsewhere",
        of_the_image=True,
    ),
    _cause(
        "pull",
        r"failed to pull image|error pulling image|initializing source docker://"
        r"|(?:no such host|i/o timeout|tls handshake timeout|network is unreachable|temporary failure in name resolution"
        r"|server misbehaving|proxyconnect tcp|client\.timeout exceeded|context deadline exceeded)",
        _pull,
        of_the_image=True,
    ),
    # -- kind itself
    _cause("lock", r"failed to lock config file: open (?P<lock>[^\s:]+\.lock)", _unlock),
    _cause(
        "kubeconfig",
        r"failed to (?:lock config file|write|remove|merge|read)[^\n]*(?:kubeconfig|config)[^\n]*(?:denied|read-only)",
        "make that file writable for you, or name another one with KUBECONFIG",
    ),
    _cause(
        "configuration",
        r"unknown field|error unmarshaling|unable to decode config|invalid configuration|yaml: line"
        r"|unknown apiVersion|is not valid: ",
        "correct the cluster's configuration (--kind-config): https://kind.sigs.k8s.io/docs/user/configuration/",
    ),
)
