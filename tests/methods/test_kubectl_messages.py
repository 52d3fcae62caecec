"""What kubectl's lines mean. The texts are verbatim from kubectl 1.32 on a 1.34 cluster, where not said otherwise."""

import pytest

from kfw.methods.kubectl_messages import FORWARDING, plain, trouble, verdict, words

REFUSED = (
    'E1121 07:39:50.484455   31327 portforward.go:424] "Unhandled Error" err="an error occurred forwarding 36037 -> 7777: '
    "error forwarding port 7777 to pod 8139ed58, uid : failed to execute portforward in network namespace "
    r"\"/var/run/netns/cni-8ad3ecb3\": failed to connect to localhost:7777 inside namespace \"8139ed58\", "
    "IPv4: dial tcp4 127.0.0.1:7777: connect: connection refused IPv6 dial tcp6 [::1]:7777: connect: connection "
    'refused "'
)
#: kubectl 1.20 to 1.30 have no quotes.
RESET = (
    "E1121 07:39:50.484455   31327 portforward.go:406] an error occurred forwarding 36037 -> 9004: error forwarding "
    "port 9004 to pod 8139ed58, uid : failed to execute portforward in network namespace "
    '"/var/run/netns/cni-8ad3ecb3": read tcp4 127.0.0.1:4->127.0.0.1:9004: read: connection reset by peer'
)
GONE = (
    'E1121 08:41:20.781716    4893 portforward.go:424] "Unhandled Error" err="an error occurred forwarding 43807 -> 8080: '
    r"error forwarding port 8080 to pod 5a4697, uid : network namespace for sandbox \"5a4697\" is closed"
    '"'
)
LOST = "error: lost connection to pod"
MEMCACHE = (
    'E1121 07:56:51.244577   18640 memcache.go:265] "Unhandled Error" err="couldn\'t get current server API group list: '
    'Get \\"https://nix.invalid:6443/api?timeout=32s\\": dial tcp: lookup nix.invalid on 10.255.255.53:53: no such host"'
)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('error: context "nope" does not exist', "context-not-found"),
        ('Error from server (NotFound): pods "nix" not found', "endpoint-gone"),
        ("error: unable to forward port because pod is not running. Current status=Pending", "endpoint-gone"),
        (
            "error: error upgrading connection: unable to upgrade connection: pod does not exist",
            "endpoint-gone",
        ),
        (
            'Error from server (Forbidden): pods "single" is forbidden: User "x" cannot get resource "pods"',
            "not-permitted",
        ),
        (
            'error: error upgrading connection: pods "single" is forbidden: User "system:serviceaccount:kfw-users:limited"'
            ' cannot create resource "pods/portforward" in API group "" in the namespace "demo"',
            "not-permitted",
        ),
        ("error: You must be logged in to the server (Unauthorized)", "login-expired"),
        (
            "Unable to connect to the server: getting credentials: exec: executable /bin/false failed with exit code 1",
            "login-expired",
        ),
        (
            "Unable to connect to the server: getting credentials: exec: fork/exec /nonexistent/tool: no such file or"
            " directory",
            "tool-missing",
        ),
        (
            "Unable to connect to the server: getting credentials: exec: executable aws not found",
            "tool-missing",
        ),
        (
            "Unable to connect to the server: dial tcp: lookup nix.invalid: no such host",
            "cluster-unreachable",
        ),
        (
            "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?",
            "cluster-unreachable",
        ),
        (
            "error: error upgrading connection: error dialing backend: dial tcp 172.18.0.3:10250: connect: no route"
            " to host",
            "node-unreachable",
        ),
        (
            "E1 0 error creating error stream for port 43210 -> 8080: Timeout occurred".replace(
                "E1 0", "E1121 07:39:50.4 31327 portforward.go:361]"
            ),
            "unhealthy",
        ),
        (REFUSED, "app-refuses"),
    ],
)
def test_KB9_a_line_is_classed_by_kubectls_whole_phrase(line: str, reason: str):
    problem = trouble(line)
    assert problem
    assert problem.reason == reason
    assert problem.message.startswith("kubectl: ")


@pytest.mark.parametrize(
    "line",
    [
        RESET,
        LOST,
        MEMCACHE,
        "Handling connection for 43210",
        "Unauthorized is a fine word in a warning about a token, a login and an expired session",
        "",
    ],
)
def test_what_concerns_one_connection_or_nothing_is_no_trouble(line: str):
    assert trouble(line) is None


def test_A37_the_cause_of_a_closed_port_is_said_without_ids_of_the_runtime():
    problem = trouble(REFUSED)
    assert problem
    assert problem.message == (
        'kubectl: failed to connect to localhost:7777 inside namespace "8139ed58", IPv4: dial tcp4 127.0.0.1:7777: '
        "connect: connection refused IPv6 dial tcp6 [::1]:7777: connect: connection refused"
    )


def test_a_pod_that_is_gone_is_told_by_its_closed_network():
    problem = trouble(GONE)
    assert problem
    assert problem.reason == "endpoint-gone"
    assert problem.message == 'kubectl: network namespace for sandbox "5a4697" is closed'


def test_klogs_header_and_quotes_are_left_out():
    assert plain(RESET).startswith("an error occurred forwarding 36037")
    assert plain(MEMCACHE).startswith("couldn't get current server API group list: Get \"https://nix")
    assert plain("  error: plain ") == "error: plain"


def test_why_it_ended_stands_before_its_last_line():
    assert words(f"{RESET}\n{LOST}").endswith("read: connection reset by peer")
    assert words(f"old news\n{LOST}\n") == "old news"
    assert words(LOST) == LOST
    assert words("") == ""


def test_the_last_line_that_is_understood_counts():
    stderr = f'{REFUSED}\nError from server (NotFound): pods "web-1" not found\n{LOST}'
    problem = verdict(stderr)
    assert problem
    assert problem.reason == "endpoint-gone"
    assert verdict(f"{RESET}\n{LOST}") is None


def test_only_the_line_of_the_IPv4_listener_names_the_port():
    found = FORWARDING.match("Forwarding from 127.0.0.1:43210 -> 8080")
    assert found
    assert found[1] == "43210"
    assert not FORWARDING.match("Forwarding from [::1]:43210 -> 8080")
    assert not FORWARDING.match("say Forwarding from 127.0.0.1:43210 -> 8080")
