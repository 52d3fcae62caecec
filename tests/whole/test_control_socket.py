"""The control socket of a real daemon, and clients that send what they should not, do not end, or do not read."""

import json
import os
import re
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.daemon.hostile_requests import head, post, requests
from tests.real.running import until
from tests.stopwatch import Stopwatch
from tests.whole.program import Program

SEED, COUNT = 20_261_129, 700
MB = 1_000_000


@pytest.fixture(scope="module")
def kfw() -> Iterator[Program]:
    program = Program("/nonexistent")
    try:
        program("start")
        pid_of(program)  # while it has nothing else to do
        yield program
    finally:
        program.close()


def connect(kfw: Program) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    try:
        one.connect(str(kfw.home / "run" / "kfw.sock"))  # with a timeout a full queue would be an error
        one.settimeout(10)
    except OSError:
        one.close()
        raise
    return one


def send(kfw: Program, raw: bytes) -> bytes:
    """All that is answered. Who is refused in the middle of a body gets its answer, too."""
    with connect(kfw) as one:
        try:
            one.sendall(raw)
            one.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        try:
            while data := one.recv(65536):
                answer += data
        except ConnectionError:
            pass
    return answer


def codes(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def rss(kfw: Program) -> int:
    return int(kfw.ask("/v1/ping")["rssBytes"])


@cache
def pid_of(kfw: Program) -> int:
    return kfw.daemon_pid()


def quick_status(kfw: Program) -> None:
    watch = Stopwatch(os.getpid(), pid_of(kfw))
    assert kfw.ask("/v1/status")["daemon"]["running"] is True
    assert watch.seconds() < 1


def is_whole(kfw: Program) -> None:
    log = (kfw.home / "state" / "kfw.log").read_text()
    assert "Traceback" not in log and "cannot answer" not in log, log[-2000:]


def test_seven_hundred_generated_requests_get_no_5xx_and_leave_the_daemon_as_it_was(kfw: Program) -> None:
    for raw in requests(SEED - 1, 100):  # what is imported and cached once is not growth
        send(kfw, raw)
    before, seen = rss(kfw), set[int]()
    for number, raw in enumerate(requests(SEED, COUNT)):
        answered = codes(send(kfw, raw))
        seen.update(answered)
        assert all(code < 500 for code in answered), f"seed {SEED}, request {number}: {raw[:300]!r}"
        if number % 50 == 0:
            quick_status(kfw)
    assert {200, 400, 404, 405, 413} - seen <= {413}, seen
    assert rss(kfw) < before + 10 * MB
    assert kfw.rows() == {}
    is_whole(kfw)


#: What is sent, and the codes that come back.
ODD = {
    "json nested 100,000 deep": (post("/v1/down", b'{"names": ' + b"[" * 100_000), [400]),
    "an object nested 100,000 deep": (post("/v1/up", b'{"a":' * 100_000), [400]),
    "a NUL in a name": (post("/v1/down", b'{"names": ["\\u0000"]}'), [400]),
    "half of a pair of surrogates": (post("/v1/down", b'{"names": ["\\ud800"]}'), [400]),
    "a body that is not UTF-8": (post("/v1/down", b'{"names": ["\xff"]}'), [400]),
    "a path that is not a URL": (head("GET", "//[x"), [404]),
    "a URL that is none": (head("GET", "http://[x"), [400]),
    "HEAD": (head("HEAD", "/v1/status"), [200]),
    "HEAD of a stream": (head("HEAD", "/v1/events?follow=true"), [200]),
    "a method that there is not": (head("BREW", "/v1/status"), [405]),
    "CONNECT": (head("CONNECT", "kfw:80"), [404]),
    "an upgrade": (head("GET", "/v1/ping", "Upgrade: h2c", "Connection: Upgrade"), [200]),
    "Expect: 100-continue": (post("/v1/down", b"{}", "Expect: 100-continue"), [200]),
    "10,000 headers": (head("GET", "/v1/ping", *(f"a{n}: b" for n in range(10_000))), [431]),
    "a body of 5 MB": (post("/v1/down", b" " * 5_000_000), [413]),
    "a chunk that says its size wrongly": (
        head("POST", "/v1/down", "Transfer-Encoding: chunked") + b"zz\r\n",
        [400],
    ),
    "three at once": (head("GET", "/v1/ping") * 3, [200, 200, 200]),
    "a thousand query fields": (head("GET", "/v1/events?" + "a=1&" * 1000), [400]),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_answered(kfw: Program, name: str) -> None:
    raw, wanted = ODD[name]
    assert [code for code in codes(send(kfw, raw)) if code != 100] == wanted
    quick_status(kfw)
    is_whole(kfw)


def test_who_waits_for_100_continue_is_told_to_go_on(kfw: Program) -> None:
    with connect(kfw) as one:
        one.sendall(post("/v1/down", b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: 2"))
        assert one.recv(1000).startswith(b"HTTP/1.1 100 ")
        one.sendall(b"{}")
        assert one.recv(1000).startswith(b"HTTP/1.1 200 ")


FORWARD = {"name": "x", "target": {"kind": "service", "name": "api"}, "target_port": 80, "local_port": 0}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"local_port": 70_000}, "local_port is 70000, a port is from 0 to 65535"),
        ({"local_port": -1}, "local_port is -1"),
        ({"target_port": 0}, "target_port is 0"),
        ({"target_port": "no port\x00"}, "is not the name of a port"),
        ({"name": "a\x1b[2Jb"}, "this is not a valid name"),
        ({"name": ""}, "this is not a valid name"),
        ({"namespace": "../kube-system"}, "is not the name of a namespace"),
        ({"target": {"kind": "service", "name": "a/../b"}}, "there cannot be a target named"),
        ({"addresses": ["localhost; rm -rf /"]}, "is not an IP address"),
        ({"addresses": []}, "it has 0 addresses"),
        ({"method": "magic"}, "method is 'magic', known are auto"),
        ({"hold": -1}, "hold is -1"),
        ({"retry": {"multiplier": 0.5}}, "retry.multiplier is 0.5"),
        ({"health": {"interval": 0}}, "health.interval is 0"),
        ({"health": {"type": "magic"}}, "health.type is 'magic'"),
        ({"on_port_in_use": "take-it"}, "on_port_in_use is 'take-it'"),
        ({"kubeconfig": ["/a\x00b"]}, "is not the path of a kubeconfig"),
    ],
)
def test_a_forward_that_no_config_could_ask_for_is_refused_in_words(
    kfw: Program, more: dict[str, object], words: str
) -> None:
    asked = {"forwards": [FORWARD | more], "source": {"key": "k", "cwd": "/"}}
    answer = send(kfw, post("/v1/up", json.dumps(asked).encode()))
    assert codes(answer) == [400]
    assert words in json.loads(answer.partition(b"\r\n\r\n")[2])["what"]
    assert kfw.rows() == {}


def test_sixty_unfinished_bodies_take_little_memory_and_keep_nobody_away(kfw: Program) -> None:
    before = rss(kfw)
    refused = 0
    with ExitStack() as stack:
        for _ in range(60):
            one = stack.enter_context(connect(kfw))
            refused += not taken(one, head("POST", "/v1/up", "Content-Length: 4000000") + b" " * 3_900_000)
        assert (
            refused >= 50
        )  # three have room at a time; some of those may have been ended for taking too long
        assert rss(kfw) < before + 40 * MB
        quick_status(kfw)
        assert codes(send(kfw, post("/v1/down", b'{"names": []}'))) == [200]
    until(lambda: rss(kfw) < before + 15 * MB, 10, lambda: f"{rss(kfw)} is near {before}")


def taken(one: socket.socket, raw: bytes) -> bool:
    """The daemon has read all of it. False: it has refused before the end, which is heard by an answer or a reset."""
    one.setblocking(False)
    unsent = memoryview(raw)
    while unsent:
        heard, room, _ = select.select([one], [one], [], 30)
        assert heard or room, "neither read nor refused"
        if heard:
            return False
        try:
            unsent = unsent[one.send(unsent) :]
        except OSError:
            return False
    return True


def test_a_thousand_idle_connections_keep_nobody_away(kfw: Program) -> None:
    before = rss(kfw)
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(connect(kfw)).sendall(b"GET /v1/")
        quick_status(kfw)
        assert rss(kfw) < before + 15 * MB
    quick_status(kfw)


def test_who_asks_and_never_reads_is_dropped_and_costs_little(kfw: Program) -> None:
    """Ten thousand questions in one go, on twenty connections, and followers of events."""
    before = rss(kfw)
    with ExitStack() as stack:
        asked = head("GET", "/v1/openapi.json") * 10_000
        for _ in range(20):
            one = stack.enter_context(connect(kfw))
            one.setblocking(False)
            try:
                while one.send(asked):
                    pass
            except BlockingIOError:
                pass
            stack.enter_context(connect(kfw)).sendall(head("GET", "/v1/events?since=0&follow=true"))
        quick_status(kfw)
        assert rss(kfw) < before + 30 * MB
    quick_status(kfw)
