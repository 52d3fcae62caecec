"""How a connection is opened, and what the far side's error texts prove."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfw.wire.codec import Role
from kfw.wire.portforward import (
    MAX_TEXT,
    BadStream,
    FailureKind,
    StreamRequest,
    classify,
    gone_text,
    in_short,
    open_connection,
    read_request,
    refused_text,
    reset_text,
)
from kfw.wire.spdy import SpdyConnection
from kfw.wire.spdy_frames import Data, SynStream
from tests.wire.splits import quick


def test_a_connection_opens_both_streams_and_sends_its_first_bytes_in_one_write() -> None:
    tunnel, server = SpdyConnection(Role.CLIENT), SpdyConnection(Role.SERVER)
    opening = open_connection(tunnel, 5432, 7, b"hello")
    assert (opening.error, opening.data) == (1, 3)
    assert server.receive(opening.wire) == [
        SynStream(1, {"streamtype": "error", "port": "5432", "requestid": "7"}, fin=True),
        SynStream(3, {"streamtype": "data", "port": "5432", "requestid": "7"}),
        Data(3, b"hello"),
    ]


def test_without_first_bytes_there_is_no_data_frame() -> None:
    server = SpdyConnection(Role.SERVER)
    assert len(server.receive(open_connection(SpdyConnection(Role.CLIENT), 80, 0).wire)) == 2


def test_a_server_reads_what_the_client_asked_for() -> None:
    server = SpdyConnection(Role.SERVER)
    events = server.receive(open_connection(SpdyConnection(Role.CLIENT), 80, 9).wire)
    requests = [read_request(event.stream, event.headers) for event in events if isinstance(event, SynStream)]
    assert requests == [StreamRequest("error", 80, "9"), StreamRequest("data", 80, "9")]


def test_streams_without_a_request_id_belong_together_by_number() -> None:
    assert read_request(5, {"streamtype": "error", "port": "80"}).request_id == "5"
    assert read_request(7, {"streamtype": "data", "port": "80"}).request_id == "5"


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, '"port" header is required'),
        ({"port": "80"}, '"streamType" header is required'),
        ({"port": "80", "streamtype": "stdin"}, 'invalid stream type "stdin"'),
        ({"port": "0", "streamtype": "data"}, "as a port"),
        ({"port": "65536", "streamtype": "data"}, "as a port"),
        ({"port": "-1", "streamtype": "data"}, "as a port"),
        ({"port": "http", "streamtype": "data"}, "as a port"),
        ({"port": "9" * 5000, "streamtype": "data"}, "as a port"),
        ({"port": "²", "streamtype": "data"}, "as a port"),
    ],
)
def test_a_server_refuses_a_stream_without_a_good_port_and_type(headers: dict[str, str], why: str) -> None:
    with pytest.raises(BadStream, match=why):
        read_request(1, headers)


NETNS = 'failed to execute portforward in network namespace "/var/run/netns/cni-742d1a4e-4966-9085-47a1-fae6be80bc99": '
HERE = 'failed to connect to localhost:8080 inside namespace "c353599c"'

#: (text after the kubelet's prefix, kind): in the words of the tools, for port 8080.
TEXTS: dict[str, tuple[str, FailureKind]] = {
    "containerd, nothing listens": (
        f"{NETNS}{HERE}, IPv4: dial tcp4 127.0.0.1:8080: connect: connection refused "
        "IPv6 dial tcp6 [::1]:8080: connect: connection refused ",
        FailureKind.REFUSED,
    ),
    "containerd, no IPv6 in the pod": (
        f"{NETNS}{HERE}, IPv4: dial tcp4 127.0.0.1:8080: connect: connection refused "
        "IPv6 dial tcp6: address localhost: no suitable address found ",
        FailureKind.REFUSED,
    ),
    "containerd, IPv6 without an address": (
        f"{NETNS}{HERE}, IPv4: dial tcp4 127.0.0.1:8080: connect: connection refused "
        "IPv6 dial tcp6 [::1]:8080: connect: cannot assign requested address",
        FailureKind.REFUSED,
    ),
    "containerd 2, pod IPs tried last": (
        f"{NETNS}dial tcp 10.244.1.5:8080: connect: connection refused",
        FailureKind.REFUSED,
    ),
    "containerd 2, an IPv6 pod": (f"{NETNS}dial tcp [fd00:10::5]:8080: connect: connection refused", FailureKind.REFUSED),
    "CRI-O, nothing listens": (
        'port forward into network namespace "/var/run/netns/7": failed to connect to localhost:8080 inside namespace '
        "c353599c: dial tcp [::1]:8080: connect: connection refused",
        FailureKind.REFUSED,
    ),
    "socat of dockershim": (
        "exit status 1: 2021/12/15 10:43:28 socat[11386] E connect(5, AF=2 127.0.0.1:8080, 16): Connection refused\n",
        FailureKind.REFUSED,
    ),
    "socat of an old containerd": (
        f'{NETNS}socat command returns error: exit status 1, stderr: "2019/09/26 05:18:40 socat[96552] E connect(5, '
        'AF=2 127.0.0.1:8080, 16): Connection refused\\n"',
        FailureKind.REFUSED,
    ),
    "another port was refused": (f"{NETNS}dial tcp4 127.0.0.1:80: connect: connection refused", FailureKind.UNKNOWN),
    "a longer port was refused": (f"{NETNS}dial tcp4 127.0.0.1:80801: connect: connection refused", FailureKind.UNKNOWN),
    "reset while the runtime dialled": (
        f"{NETNS}{HERE}, IPv4: dial tcp4 127.0.0.1:8080: connect: connection reset by peer "
        "IPv6 dial tcp6 [::1]:8080: connect: connection refused ",
        FailureKind.RESET,
    ),
    "the dial timed out": (
        f"{NETNS}{HERE}, IPv4: dial tcp4 127.0.0.1:8080: i/o timeout IPv6 dial tcp6 [::1]:8080: connect: connection refused",
        FailureKind.UNKNOWN,
    ),
    "the app reset": (
        f"{NETNS}read tcp4 127.0.0.1:41234->127.0.0.1:8080: read: connection reset by peer",
        FailureKind.RESET,
    ),
    "the app closed early": (f"{NETNS}write tcp4 127.0.0.1:41234->127.0.0.1:8080: write: broken pipe", FailureKind.RESET),
    "a read was refused, whatever that is": (
        f"{NETNS}read tcp4 127.0.0.1:41234->127.0.0.1:8080: connect: connection refused",
        FailureKind.UNKNOWN,
    ),
    "socat, the app reset": (
        "exit status 1: 2021/12/15 10:43:28 socat[7] E read(5, 0x55, 8192): Connection reset by peer",
        FailureKind.RESET,
    ),
    "containerd, the pod is gone": ('failed to find sandbox "16a8ad2a" in store: not found', FailureKind.GONE),
    "containerd, the pod is going": ('network namespace for sandbox "6b79d2ed" is closed', FailureKind.GONE),
    "CRI-O, the pod is gone": (
        "PodSandbox with ID starting with 16a8ad2a not found: ID does not exist: no such id",
        FailureKind.GONE,
    ),
    "CRI-O, the pod is going": ("could not find sandbox 16a8ad2a", FailureKind.GONE),
    "CRI-O, the pod has stopped": ("sandbox 16a8ad2a is not running", FailureKind.GONE),
    "CRI-O, the pod has no network": ("network namespace path of sandbox 16a8ad2a is empty", FailureKind.GONE),
    "Docker, the pod is gone": ("Error: No such container: 16a8ad2a", FailureKind.GONE),
    "the node has no socat": ("unable to do port forwarding: socat not found.", FailureKind.UNSUPPORTED),
    "the node has no nsenter": ("unable to do port forwarding: nsenter not found", FailureKind.UNSUPPORTED),
    "socat cannot start": (
        f"{NETNS}socat command returns error: exit status 127, stderr: \"socat: error while loading shared libraries\"",
        FailureKind.UNKNOWN,
    ),
    "streams did not come in time": ("(conn=0xc000, request=7) timed out waiting for streams", FailureKind.UNKNOWN),
    "nobody knows": ("something went wrong", FailureKind.UNKNOWN),
    "nothing was said": ("", FailureKind.UNKNOWN),
    "refused, but where": ("connection refused", FailureKind.UNKNOWN),
}  # fmt: skip

SAFE = {FailureKind.REFUSED, FailureKind.GONE, FailureKind.UNSUPPORTED}


@pytest.mark.parametrize(("words", "kind"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("prefix", ["", "error forwarding port 8080 to pod 16a8ad2a1690f8, uid : "])
def test_a_text_proves_what_its_words_prove(prefix: str, words: str, kind: FailureKind) -> None:
    refusal = classify(prefix + words, 8080)
    assert (refusal.kind, refusal.safe) == (kind, kind in SAFE)


@pytest.mark.parametrize(("words", "kind"), TEXTS.values(), ids=TEXTS)
def test_it_proves_the_same_when_it_comes_as_json(words: str, kind: FailureKind) -> None:
    text = json.dumps({"closeConnection": True, "message": words}) + "\n"
    refusal = classify(text, 8080)
    assert (refusal.kind, refusal.text) == (kind, " ".join(words.split()))


def test_a_pods_name_proves_nothing() -> None:
    """dockershim puts it into the text."""
    text = "error forwarding port 8080 to pod sandbox-not-found_default, uid : exit status 1"
    assert classify(text, 8080).kind is FailureKind.UNKNOWN


def test_the_texts_that_kfws_sandbox_says_mean_what_they_say() -> None:
    assert classify(refused_text(8080, "a1"), 8080).kind is FailureKind.REFUSED
    assert classify(gone_text(8080, "a1"), 8080).kind is FailureKind.GONE
    assert classify(reset_text(8080, "a1"), 8080).kind is FailureKind.RESET


def test_the_text_is_kept_in_the_far_sides_words_on_one_line_and_not_too_long() -> None:
    assert classify(" one\n two\t three ", 1).text == "one two three"
    assert len(classify("x" * 100_000, 1).text) == MAX_TEXT


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"message": 5}', '{"message": null}', '{"a":' * 700, "[" * 5000]
)
def test_json_that_says_nothing_is_text(text: str) -> None:
    assert classify(text, 80).kind is FailureKind.UNKNOWN


@quick
@given(st.text(max_size=400), st.integers(1, 65535))
def test_any_text_has_a_classification(text: str, port: int) -> None:
    refusal = classify(text, port)
    assert refusal.safe == (refusal.kind in SAFE)


def test_a_text_made_to_be_slow_is_not() -> None:
    start = time.process_time()
    for part in ("pod ", "connect ", "sandbox x is ", "error forwarding port 1 to pod "):
        assert classify(part * 100_000, 80).safe is False
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (refused_text(7777, "s"), "nothing listens on port 7777 in pod web-1 (connection refused)"),
        (gone_text(7777, "s"), "pod web-1 is gone"),
        (reset_text(7777, "s"), "the app in pod web-1 reset the connection to port 7777"),
        (
            "error forwarding port 7777 to pod web-1, uid : unable to do port forwarding: socat not found",
            "the node of pod web-1 cannot forward ports: unable to do port forwarding: socat not found",
        ),
        ("the moon is full", "cannot reach port 7777 of pod web-1: the moon is full"),
    ],
)
def test_a_failure_is_said_in_a_few_words(text: str, words: str) -> None:
    assert in_short(classify(text, 7777), "web-1", 7777) == words


def test_a_text_that_nobody_knows_is_cut() -> None:
    words = in_short(classify("x" * 3000, 7777), "web-1", 7777)
    assert len(words) < 260
    assert words.endswith("…")


@pytest.mark.parametrize(
    ("declared", "more"),
    [
        (None, ""),
        ((), ""),
        (("8080 (http)",), "; it has 8080 (http)"),
        (("8080 (http)", "9000"), "; it has 8080 (http), 9000"),
        (
            ("8080", "7777 (odd)"),
            ", although it declares that port: the app has not opened it yet, or on another address",
        ),
        (("77 (near)", "17777"), "; it has 77 (near), 17777"),
    ],
)
def test_a_refused_port_is_said_with_those_that_the_pod_declares(
    declared: tuple[str, ...] | None, more: str
) -> None:
    words = in_short(classify(refused_text(7777, "s"), 7777), "web-1", 7777, declared)
    assert words == f"nothing listens on port 7777 in pod web-1 (connection refused){more}"
