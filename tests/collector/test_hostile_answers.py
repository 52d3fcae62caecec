"""What services may answer that they should not: a figure is what they said or is missing, never a guess, and no run ends
by it."""

import json
import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from kfw.collector.collected import open_record
from kfw.collector.collection import Backends, Collection
from kfw.collector.usage_events import UsageEvent, as_json, as_text
from kfw.config.collector_block import CollectorSettings, Figure, FigureQuestion, WorkspaceList
from kfw.config.json_path import NoNumber, number_at, parse
from kfw.errors import KfwError
from kfw.printable import printable
from tests.collector.test_collecting import DAY, nowhere, reflecting

ODD_NUMBERS = [
    math.nan,
    math.inf,
    -math.inf,
    1e308,
    -(2**63) - 1,
    2**64,
    10**400,
    True,
    None,
    "NaN",
    "9" * 30,
]
VALUES = st.recursive(
    st.sampled_from([*ODD_NUMBERS, "\ud800", "\x1b[2J\n", "", -1, 0, 1.5, 2**64 - 1]) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("nab"), inner, max_size=3),
    max_leaves=8,
)


@bounds(deadline=None)
@given(VALUES, st.sampled_from(["$", "$.n", "$.n[*]", "$[*].n", "$[0]", "$.n[*][*]"]))
def test_a_number_is_one_of_64_bits_or_none(value: Any, path: str) -> None:
    try:
        found = number_at(value, parse(path))
    except NoNumber:
        return
    assert -(2**63) <= found < 2**64
    assert not isinstance(found, bool)


def test_lists_in_lists_without_end_are_no_number() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NoNumber, match="nested too deeply"):
        number_at([deep], parse("$[*][*]"))


@given(workspaces=VALUES | st.lists(st.fixed_dictionaries({"id": VALUES, "name": VALUES})), answer=VALUES)
@bounds(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_whatever_is_answered_events_are_lines_of_strict_json_and_the_next_tenant_has_its_turn(
    tmp_path: Path, workspaces: Any, answer: Any
) -> None:
    """As JSON of Python's reader, which takes more than there is in the standard."""

    class Said(Backends):
        def answer(self, question: FigureQuestion, about: Any) -> Any:
            if about["tenant"] == "good":
                return [{"id": "w", "name": "W"}] if question.path == "/list" else {"n": 7}
            return workspaces if question.path == "/list" else answer

    listed = WorkspaceList(FigureQuestion(address="http://x", path="/list"))
    figure = Figure("n", FigureQuestion(address="http://x", path="/n"), ("n",))
    events, told = list[UsageEvent](), list[str]()
    (tmp_path / "r.json").unlink(missing_ok=True)
    for made in (
        CollectorSettings(workspaces=listed, figures=(figure,)),
        CollectorSettings(figures=(figure,)),
    ):
        with open_record(tmp_path / "r.json") as record:
            work = Collection(made, Said(nowhere, 1), events.append, told.append)
            work.run(("odd", "good"), DAY, record, force=True)
        assert events[-1].metrics["n"] == 7
    for event in events:
        said = json.loads(as_json(event).encode("ascii"), parse_constant=pytest.fail)
        assert said["metadata"].get("partial", False) is (None in said["metrics"].values())
        assert "\n" not in as_text(event) and printable(as_text(event)) == as_text(event)
    with open_record(tmp_path / "r.json") as record:
        assert record.is_done("good", DAY)


# -- by HTTP, byte for byte


def _head(length: object, status: str = "200 OK", *more: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {length}", *more, "", ""]).encode()


#: What is sent; a last True: for as long as somebody takes it.
RAW: dict[str, tuple[bytes, bytes, bool]] = {
    "nothing": (b"", b"", False),
    "no HTTP": (b"hello\r\n", b"", False),
    "half of it": (_head(20), b"123", False),  # 123 is JSON, and a number
    "half of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n", b"123", False),
    "no JSON": (_head(5), b"hello", False),
    "no UTF-8": (_head(3), b'"\xff"', False),
    "too deep": (_head(200_000), b"[" * 200_000, False),
    "a number too long to read": (_head(5000), b"9" * 5000, False),
    "NaN": (_head(3), b"NaN", False),
    "another status": (_head(1, "500 No"), b"7", False),
    "nothing to say": (b"HTTP/1.1 204 No\r\n\r\n", b"", False),
    "elsewhere": (_head(1, "302 Found", "Location: http://127.0.0.1:1/"), b"7", False),
    "elsewhere, a file": (_head(1, "302 Found", "Location: file:///etc/hostname"), b"7", False),
    "a body without end": (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, True),
    "headers without end": (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 60000 + b"\r\n", True),
    "silence": (b"", b"", True),
}


@contextmanager
def answering(head: bytes, body: bytes, *, for_ever: bool) -> Iterator[int]:
    """A server's port."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    client.settimeout(5)
                    client.recv(65536)
                    client.sendall(head + body)
                    while for_ever and not over.is_set():
                        client.sendall(body) if body else over.wait(60)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(30)


@pytest.mark.parametrize("name", RAW)
def test_A25_whatever_comes_by_http_the_figure_is_missing_and_it_is_said(name: str, tmp_path: Path) -> None:
    head, body, for_ever = RAW[name]
    told: list[str] = []
    with answering(head, body, for_ever=for_ever) as port:
        figure = Figure("n", FigureQuestion(address=f"http://127.0.0.1:{port}", path="/n"), ())
        events: list[UsageEvent] = []
        with open_record(tmp_path / "r.json") as record, Backends(nowhere, 1.0) as backends:
            made = CollectorSettings(figures=(figure,), timeout=1.0)
            Collection(made, backends, events.append, told.append).run(("t",), DAY, record, force=False)
    assert [event.metrics for event in events] == [{"n": None}]
    assert told[0].startswith("t: n is missing: ")


def test_a_figure_that_cannot_be_right_is_told_of_a_tenant_without_workspaces_too(tmp_path: Path) -> None:
    told: list[str] = []
    with answering(_head(2), b"-5", for_ever=False) as port, open_record(tmp_path / "r.json") as record:
        figure = Figure("n", FigureQuestion(address=f"http://127.0.0.1:{port}", path="/n"), ())
        with Backends(nowhere, 30) as backends:
            work = Collection(CollectorSettings(figures=(figure,)), backends, lambda _: None, told.append)
            assert work.run(("t",), DAY, record, force=False).collected == ["t"]
    assert told == ["t: n is negative: -5"]


# -- by gRPC


@pytest.mark.parametrize(
    "request_",
    [None, 7, "x", [1], [{}], {"tenant_id": 7}, {"tenant_id": "\ud800"}, {"pagination": "x"}, {"x": 1}],
)
def test_what_a_method_does_not_take_is_said(request_: Any) -> None:
    with reflecting() as server, pytest.raises(KfwError, match="does not take this request"):
        server.call("ListRequirementsAvailable", request_, 30)


@pytest.mark.parametrize(
    "answer", [b"\xff", b"\n\xff\xff\xff\xff\x0f", b"\n\x02", b"\n" + b"\x01" * 9, b"x" * 5_000_000]
)
def test_an_answer_that_is_no_message_is_said(answer: bytes) -> None:
    raw = grpc.unary_unary_rpc_method_handler(lambda request, context: answer)
    with reflecting(("acme.Requirements", {"ListRequirementsAvailable": raw})) as server:
        with pytest.raises(KfwError, match="ListRequirementsAvailable at"):
            server.call("ListRequirementsAvailable", {}, 30)


Spoil = Callable[[bytes], list[bytes]]
#: A file that a server describes, as it may be told by one that does it wrongly.
DESCRIBED: dict[str, Spoil] = {
    "no descriptor": lambda file: [b"\xff\xff"],
    "nothing": lambda file: [],
    "an empty one": lambda file: [b""],
    "half of it": lambda file: [file[: len(file) // 2]],
    "another name": lambda file: [b"\n\x01x"],
    "imports itself": lambda file: [b"\n\x01x\x1a\x01x"],
}


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_server_that_describes_itself_wrongly_is_said(name: str) -> None:
    with reflecting(spoil=DESCRIBED[name]) as server, pytest.raises(KfwError):
        server.call("acme.Requirements/ListRequirementsAvailable", {}, 5)


def test_who_waits_for_another_ones_questions_waits_no_longer_than_for_its_own() -> None:
    """A server that does not answer to reflection keeps all threads as long as one."""
    with answering(b"", b"", for_ever=True) as port:
        from kfw.collector.grpc_calls import GrpcServer

        server = GrpcServer(f"127.0.0.1:{port}")
        failed: list[KfwError] = []

        def ask() -> None:
            try:
                server.call("X", {}, 2)
            except KfwError as error:
                failed.append(error)

        threads = [threading.Thread(target=ask) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(15)  # one after the other would be 20
        assert len(failed) == 10
        server.close()
