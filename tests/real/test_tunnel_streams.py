"""What people do to a forward, by the tunnel: resets, 1 GiB each way, 500 at once, who reads slowly, who leaves early."""

import hashlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.kubectl_compat.programs import KUBECTL, environment, running
from tests.real import talk
from tests.real.rig import Rig
from tests.real.tunnels import Tunnels
from tests.whole.program import listens

GIB = 1 << 30
#: Seconds within which a connection is quick, on a machine that does something else as well.
QUICK = 2.0
#: The app's source: byte i of a stream is i % 251.
PATTERN = bytes(i % 251 for i in range(251)) * 5000


def test_1000_resets_concern_one_connection_each_where_kubectl_ends(
    tunnels: Tunnels, rig: Rig, tmp_path: Path
) -> None:
    """As Postgres does it to a client with a wrong password. A reset takes the runtime 1 s to pass on."""
    lost = tunnels.lost("reset")
    with tunnels.untouched(), tunnels.connect("echo") as neighbour, ThreadPoolExecutor(100) as clients:
        told = Counter(clients.map(_how_it_ends, [tunnels.ports["reset"]] * 1000))
        assert talk.answered(neighbour, b"still there")
        assert talk.pod_behind(tunnels.ports["http"]).startswith("web-")
    assert told == {"reset": 1000}
    assert tunnels.lost("reset") == lost + 1000

    with running(KUBECTL, "-n demo svc/multi :9004 :8080", environment(rig.kubeconfig, tmp_path)) as kubectl:
        kubectl.until(4)
        for _ in range(5):
            _how_it_ends(kubectl.ports[0])
        assert kubectl.end().code == 1  # by itself
    assert not listens(kubectl.ports[1])


def test_1_GiB_comes_whole(tunnels: Tunnels) -> None:
    with tunnels.untouched(), tunnels.connect("source") as source:
        source.sendall(b"%d\n" % GIB)
        assert _pattern_until_the_end(source) == GIB


def test_1_GiB_goes_whole(tunnels: Tunnels) -> None:
    said = hashlib.sha256()
    with tunnels.untouched():
        answer = _upload(tunnels.ports["http"], GIB, said)
    assert (answer["bytes"], answer["sha256"]) == (GIB, said.hexdigest())


def test_500_at_once_all_get_their_own_bytes_back(tunnels: Tunnels) -> None:
    lost = tunnels.lost("echo")
    with tunnels.untouched(), ExitStack() as stack:
        clients = [stack.enter_context(tunnels.connect("echo")) for _ in range(500)]
        words = [b"client %03d " % number * 50 for number in range(500)]
        for client, word in zip(clients, words, strict=True):
            client.sendall(word)
        assert [talk.read(client, 550) for client in clients] == words
        assert tunnels.program.status("echo")["connections"] == 500
        assert all(talk.answered(client, b"again") for client in clients)
    assert tunnels.lost("echo") == lost


def test_who_reads_slowly_gets_all_of_it_and_the_others_are_quick(tunnels: Tunnels) -> None:
    size = 64 << 20
    with tunnels.untouched(), tunnels.connect("source") as slow, tunnels.connect("echo") as other:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.sendall(b"%d\n" % size)
        reader = _Reader(slow, per_second=8 << 20)
        times = []
        while reader.is_alive():
            began = time.monotonic()
            assert talk.answered(other, b"a neighbour")
            assert talk.pod_behind(tunnels.ports["http"]).startswith("web-")
            times.append(time.monotonic() - began)
            time.sleep(0.05)
        reader.join()
    assert reader.read == size
    assert len(times) > 20
    assert max(times) < QUICK


def test_200_downloads_left_early_leave_nothing_behind(tunnels: Tunnels) -> None:
    with tunnels.untouched():
        for _ in range(200):
            with tunnels.connect("source") as client:
                client.sendall(b"endless\n")
                assert client.recv(65536)
        began = time.monotonic()
        for name in ("source", "echo"):
            with tunnels.connect(name) as client:
                client.sendall(b"1000\n")
                assert client.recv(1)
        assert time.monotonic() - began < QUICK


def test_a_server_that_speaks_first_is_heard_before_the_client_says_a_word(tunnels: Tunnels) -> None:
    for _ in range(20):
        with tunnels.connect("greet") as client:
            assert client.recv(100).startswith(b"hello from web-")
            assert talk.answered(client, b"thank you")


def test_half_close_carries_a_whole_answer_of_an_app_that_is_speaking(tunnels: Tunnels) -> None:
    """`echo 67108864 | nc`: the end of the client's words is held back while the app speaks."""
    with tunnels.untouched(), tunnels.connect("source") as client:
        client.sendall(b"%d\n" % (64 << 20))
        client.shutdown(socket.SHUT_WR)
        assert _pattern_until_the_end(client) == 64 << 20


def test_who_answers_only_after_the_end_gets_all_and_its_lost_answer_is_a_close_not_a_hang(
    tunnels: Tunnels,
) -> None:
    """What no way through the API can carry (docs/tunnel.md): the runtime cuts the answer off. `nodeport` can."""
    data = bytes(1 << 20)
    before = _received(tunnels)
    with tunnels.untouched(), ThreadPoolExecutor() as clients:
        answers = [
            clients.submit(talk.exchange, tunnels.ports[name], data) for name in ("single-eof", "single-sink")
        ]
        assert [answer.result() for answer in answers] == [b"", b""]
    assert {name: now - before[name] for name, now in _received(tunnels).items()} == {
        "eof": 1 << 20,
        "sink": 1 << 20,
    }


def _received(tunnels: Tunnels) -> dict[str, int]:
    stats = talk.get(tunnels.url("single", "/stats"))
    return {name: stats[name]["received"] for name in ("eof", "sink")}


def _how_it_ends(port: int) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            return "closed" if client.recv(1) == b"" else "answered"
    except ConnectionResetError:
        return "reset"
    except ConnectionRefusedError:
        return "refused"


def _pattern_until_the_end(source: socket.socket) -> int:
    """How many bytes came, all of them right."""
    count = 0
    while data := source.recv(1 << 20):
        at = count % 251
        assert data == PATTERN[at : at + len(data)], f"wrong bytes after {count}"
        count += len(data)
    return count


def _upload(port: int, size: int, said: "hashlib._Hash") -> dict[str, object]:
    def body() -> Iterator[bytes]:
        for left in range(size, 0, -(1 << 20)):
            block = PATTERN[: min(left, 1 << 20)]
            said.update(block)
            yield block

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/", body=body(), headers={"Content-Length": str(size)})
    answer: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


class _Reader(threading.Thread):
    """Reads so many bytes a second, and counts those that are right."""

    def __init__(self, source: socket.socket, *, per_second: int) -> None:
        super().__init__()
        self.read = 0
        self._source = source
        self._per_second = per_second
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        while data := self._source.recv(65536):
            at = self.read % 251
            if data != PATTERN[at : at + len(data)]:
                return
            self.read += len(data)
            time.sleep(max(0.0, began + self.read / self._per_second - time.monotonic()))
