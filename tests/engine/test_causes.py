"""Why an engine or kind refused, from words that were really said, and the fix that fits."""

import pytest

from kfw.engine.causes import CAUSES, Said, cause_of, fix_of, how_to_start
from kfw.engine.reachability import Here

LINUX = Here("linux", in_container=False, env={})
MAC = Here("darwin", in_container=False, env={})

#: (name of the cause, a part of its fix, what was said)
WORDS = [
    # -- docker's command line; those of docker 28 were had from a real one
    (
        "permission",
        "sudo usermod -aG docker $USER",
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "
        '"http://%2Fvar%2Frun%2Fdocker.sock/v1.50/info": dial unix /var/run/docker.sock: connect: permission denied',
    ),
    (
        "permission",
        "sudo usermod -aG docker $USER",
        "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "
        "http://%2Fvar%2Frun%2Fdocker.sock/v1.39/version: dial unix /var/run/docker.sock: connect: permission denied",
    ),
    (
        "permission",
        "sudo usermod -aG docker $USER",
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
    ),
    (
        "no-context",
        "docker context use default",
        'Failed to initialize: unable to resolve docker endpoint: context "gone": context not found: open '
        "/root/.docker/contexts/meta/283b/meta.json: no such file or directory",
    ),
    ("no-context", "docker context use default", 'context "gone" does not exist'),
    (
        "wsl-integration",
        "WSL integration, switch this distribution on",
        "The command 'docker' could not be found in this WSL 2 distro.\nWe recommend to activate the WSL integration in "
        "Docker Desktop settings.",
    ),
    (
        "wsl-1",
        "wsl --set-version",
        "The command 'docker' could not be found in this WSL 1 distro.\nWe recommend to convert this distro to WSL 2 and "
        "activate\nthe WSL integration in Docker Desktop settings.",
    ),
    (
        "not-running",
        "sudo systemctl start docker",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    ),
    (
        "not-running",
        "kfw bootstrap colima --start",
        "Cannot connect to the Docker daemon at unix:///Users/b/.colima/default/docker.sock. Is the docker daemon running?",
    ),
    (
        "not-running",
        "start Docker Desktop",
        "Cannot connect to the Docker daemon at unix:///Users/b/.docker/run/docker.sock. Is the docker daemon running?",
    ),
    (
        "not-running",
        "start OrbStack",
        "Cannot connect to the Docker daemon at unix:///Users/b/.orbstack/run/docker.sock. Is the docker daemon running?",
    ),
    (
        "not-running",
        "start the engine at tcp://127.0.0.1:1",
        "Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the docker daemon running?",
    ),
    (
        "not-running",
        "start",
        'error during connect: Get "http://build.example:2375/v1.50/info": dial tcp: lookup build.example: no such host',
    ),
    (
        "ssh",
        "ssh HOST docker version",
        'error during connect: Get "http://docker.example.com/v1.50/containers/json": command [ssh -l me -- far docker '
        "system dial-stdio] has exited with exit status 255, make sure the URL is valid: stderr=ssh: connect to host far",
    ),
    (
        "api-version",
        "docker version",
        "Error response from daemon: client version 1.50 is too new. Maximum supported API version is 1.41",
    ),
    (
        "api-version",
        "docker version",
        "Error response from daemon: client version 1.24 is too old. Minimum supported API version is 1.44, please "
        "upgrade your client to a newer version",
    ),
    ("bad-host", "unset DOCKER_HOST", "unable to resolve docker endpoint: invalid bind address format: ftp://foo"),
    (
        "certificates",
        "unset DOCKER_TLS_VERIFY",
        "Failed to initialize: unable to resolve docker endpoint: open /nowhere/ca.pem: no such file or directory",
    ),
    # -- kind create
    ("cluster-exists", "kind delete cluster --name dev", "node(s) already exist for a cluster with the name \"dev\""),
    (
        "name-taken",
        "docker rm dev-control-plane",
        'docker: Error response from daemon: Conflict. The container name "/dev-control-plane" is already in use by '
        'container "1a2b". You have to remove (or rename) that container to be able to reuse that name.',
    ),
    ("port", "free port 80 ", "Bind for 0.0.0.0:80 failed: port is already allocated."),
    ("port", "free port 8080 ", "failed to bind host port for 0.0.0.0:8080:172.18.0.2:80/tcp: address already in use"),
    ("port", "free port 443 ", "Error starting userland proxy: listen tcp4 0.0.0.0:443: bind: address already in use."),
    (
        "port",
        "free port 80 ",
        "Ports are not available: exposing port TCP 0.0.0.0:80 -> 127.0.0.1:0: listen tcp 0.0.0.0:80: bind: address "
        "already in use.",
    ),
    ("some-port", "free that port", "ERROR: Bind: address already in use"),
    ("privileged-port", "ip_unprivileged_port_start=80", "Error: rootlessport cannot expose privileged port 80, you"),
    ("privileged-port", "ip_unprivileged_port_start=443", "listen tcp4 0.0.0.0:443: bind: permission denied"),
    ("disk", "system prune", "failed to register layer: write /usr/bin/kubelet: no space left on device"),
    ("inotify", "fs.inotify.max_user_instances", "Failed to create inotify object: Too many open files"),
    ("inotify", "fs.inotify.max_user_instances", "inotify_add_watch /sys/fs/cgroup: no space left on device"),
    ("inotify", "fs.inotify.max_user_instances", "failed to create fsnotify watcher: too many open files"),
    (
        "no-boot",
        "kind create cluster --name dev --retain",
        'could not find a log line that matches "Reached target .*Multi-User System.*|detected cgroup v1"',
    ),
    ("cgroup-v2", "systemd.unified_cgroup_hierarchy=1", "running kind with rootless provider requires cgroup v2, see"),
    (
        "delegate",
        "--property=Delegate=yes",
        'running kind with rootless provider requires setting systemd property "Delegate=yes", see https://kind.sigs',
    ),
    ("memory", "more memory", "docker exec failed with error: exit status 137"),
    (
        "kubeadm",
        "kind export logs --name dev",
        "failed to init node with kubeadm: docker exec failed with error: exit status 1\n"
        "the HTTP call equal to 'curl http://localhost:10248/healthz' failed: dial tcp 127.0.0.1:10248: connect: "
        "connection refused: context deadline exceeded",
    ),
    (
        "pull",
        "docker images kindest/node",
        'failed to pull image "kindest/node:v1.32.2": docker pull failed with error: exit status 1\nCommand Output: Error '
        'response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
    ),
    ("pull", "docker images kindest/node", 'Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout'),
    ("rate-limit", "docker login", "toomanyrequests: You have reached your pull rate limit."),
    ("not-in-registry", "`image:`", "pull access denied for kindest/nod, repository does not exist or may require login"),
    ("not-in-registry", "`image:`", "manifest for kindest/node:v9 not found: manifest unknown: manifest unknown"),
    ("registry-certificate", "certs.d", 'Get "https://registry/v2/": x509: certificate signed by unknown authority'),
    ("credential-helper", "credsStore", 'error getting credentials - err: exec: "docker-credential-desktop": not found'),
    ("processor", "this machine's processor", "exec /usr/local/bin/entrypoint: exec format error"),
    ("networks", "network prune", "could not find an available, non-overlapping IPv4 address pool among the defaults"),
    ("iptables", "sudo systemctl restart docker", "iptables failed: iptables --wait: No chain/target/match by that name"),
    ("shared-folder", "File sharing", "Mounts denied: The path /opt/x is not shared from the host"),
    ("lock", "rm /home/me/k.lock", "failed to lock config file: open /home/me/k.lock: file exists"),
    ("configuration", "--kind-config", 'unable to decode config: json: unknown field "rol"'),
]  # fmt: skip
PODMAN = [
    (
        "not-running",
        "systemctl --user start podman.socket",
        "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`",
    ),
    (
        "not-running",
        "systemctl --user start podman.socket",
        "Error: unable to connect to Podman socket: Get \"http://d/v5.0.0/libpod/_ping\": dial unix /run/user/1000/podman/"
        "podman.sock: connect: no such file or directory",
    ),
    ("id-map", "--add-subuids", 'Error: cannot set up namespace using "/usr/bin/newuidmap": exit status 1'),
    ("not-in-registry", "`image:`", "Error: kindest/nod:v1: image not known"),
    ("pull", "podman images kindest/node", 'initializing source docker://kindest/node:v1.32: pinging container registry'),
    ("no-boot", "--retain", "can only create exec sessions on running containers: container state improper"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fix", "words"), WORDS)
def test_the_fix_fits_what_was_said(name: str, fix: str, words: str) -> None:
    said = Said(words, LINUX, cluster="dev")
    found = cause_of(said)
    assert found and found[0].name == name
    assert fix in fix_of(said)


@pytest.mark.parametrize(("name", "fix", "words"), PODMAN)
def test_podman_says_it_in_other_words(name: str, fix: str, words: str) -> None:
    said = Said(words, LINUX, "podman", "dev")
    found = cause_of(said)
    assert found and found[0].name == name
    assert fix in fix_of(said)


def test_each_cause_is_proven_by_words() -> None:
    told = {name for name, _, _ in [*WORDS, *PODMAN]}
    assert {cause.name for cause in CAUSES} - told == {"no-network", "kubeconfig"}
    for words, name in (
        ("Error response from daemon: network kind not found", "no-network"),
        ("failed to write kubeconfig: open /root/.kube/config: permission denied", "kubeconfig"),
    ):
        found = cause_of(Said(words, LINUX))
        assert found and found[0].name == name


@pytest.mark.parametrize("words", ["", "it is Tuesday", "Error: exit status 1", "permission denied"])
def test_unknown_words_have_no_fix_of_their_own(words: str) -> None:
    assert fix_of(Said(words, LINUX), "kind delete cluster") == "kind delete cluster"


DENIED = WORDS[0][2]
GONE = WORDS[3][2]
OLD = next(words for name, _, words in WORDS if name == "api-version")


@pytest.mark.parametrize(
    ("words", "here", "fix"),
    [
        (DENIED, MAC, "log in as the user who owns /var/run/docker.sock"),
        (DENIED, Here("linux", in_container=True, env={}), "docker run --group-add $(stat -c %g /var/run/docker.sock)"),
        (GONE, Here("linux", False, {"DOCKER_CONTEXT": "gone"}), "unset DOCKER_CONTEXT"),
        (OLD, Here("linux", False, {"DOCKER_API_VERSION": "1.50"}), "unset DOCKER_API_VERSION"),
    ],
)  # fmt: skip
def test_the_fix_is_that_of_the_place(words: str, here: Here, fix: str) -> None:
    assert fix in fix_of(Said(words, here))


@pytest.mark.parametrize(
    ("here", "tool", "fix"),
    [
        (LINUX, "docker", "sudo systemctl start docker"),
        (MAC, "docker", "start Docker Desktop, or: kfw bootstrap colima --start"),
        (MAC, "podman", "podman machine start"),
        (LINUX, "podman", "systemctl --user start podman.socket"),
        (Here("linux", False, {"DOCKER_HOST": "tcp://far:1"}), "docker", "unset DOCKER_HOST"),
        (Here("linux", False, {"DOCKER_HOST": "tcp://far:1"}), "podman", "podman.socket"),
    ],
)
def test_how_an_engine_is_started_depends_on_which_and_where(here: Here, tool: str, fix: str) -> None:
    assert fix in how_to_start(Said("", here, tool))
