"""What the collector decides: buckets, events, places in answers; and what servers of gRPC may say of themselves."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2

from kfw.collector.collected import open_record
from kfw.collector.collection import Backends, Collection
from kfw.collector.grpc_calls import GrpcServer
from kfw.collector.usage_events import Bucket, UsageEvent, Workspace, as_json, last_complete, oddities, summed
from kfw.config.collector_block import CollectorSettings, Figure, FigureQuestion, WorkspaceList
from kfw.config.json_path import NoNumber, number_at, parse
from kfw.errors import KfwError
from kfw.system.files import Locked
from kfw.wire.grpc_reflection import Answer, Request
from tests.collector.servers import Catalog, proto_pool, serving

MONDAY = datetime(2024, 1, 15, tzinfo=UTC)
DAY = Bucket(MONDAY, 86400)


@pytest.mark.parametrize(
    ("now", "seconds", "start"),
    [
        ("2024-01-16T00:05:00+00:00", 86400, "2024-01-15T00:00:00+00:00"),
        ("2024-01-16T00:00:00+00:00", 86400, "2024-01-15T00:00:00+00:00"),
        ("2024-01-15T23:59:59+00:00", 86400, "2024-01-14T00:00:00+00:00"),
        ("2024-01-16T01:30:00+02:00", 86400, "2024-01-14T00:00:00+00:00"),  # it is the 15th in UTC
        ("2024-01-18T12:00:00+00:00", 7 * 86400, "2024-01-08T00:00:00+00:00"),  # a Monday
        ("2024-01-16T10:29:59+00:00", 1800, "2024-01-16T09:30:00+00:00"),
        ("2024-03-31T02:30:00+00:00", 3600, "2024-03-31T01:00:00+00:00"),
    ],
)
def test_A23_the_bucket_is_the_last_that_is_over(now: str, seconds: float, start: str) -> None:
    assert last_complete(datetime.fromisoformat(now), seconds) == Bucket(
        datetime.fromisoformat(start), seconds
    )


def test_A25_what_is_missing_in_one_workspace_is_missing_in_the_sum() -> None:
    parts = {"a": {"x": 1, "y": None}, "b": {"x": 2, "y": 5}}
    assert summed(["x", "y"], parts) == {"workspace_count": 2, "x": 3, "y": None}
    assert summed(["x"], {}) == {"workspace_count": 0, "x": 0}


def test_figures_that_cannot_be_right_are_told() -> None:
    found = list(
        oddities({"component_count": 1_000_001, "relationship_count": 1_000_001, "own": -1, "gone": None})
    )
    assert found == ["component_count is 1000001, which is unusually high", "own is negative: -1"]


@pytest.mark.parametrize("name", ["ä", '"', "\x1b[31m", "\n", "\u2028"])
def test_an_event_is_one_line_whatever_the_workspace_is_called(name: str) -> None:
    line = as_json(UsageEvent("t", DAY, {"x": 1}, MONDAY, Workspace("w", name), 5))
    assert "\n" not in line
    assert json.loads(line)["workspace_name"] == name


ANSWER = {
    "a": {"b": 3},
    "rows": [{"n": 1}, {"n": 2.5}],
    "odd name": "12",
    "t": "x",
    "f": True,
    "deep": [[1], [2, 3]],
}


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("$.a.b", 3),
        ("$.rows", 2),
        ("$.rows[*]", 2),
        ("$.rows[*].n", 3.5),
        ("$.rows[1].n", 2.5),
        ("$['odd name']", 12),
        ("$.deep[*][*]", 6),
    ],
)
def test_a_path_leads_to_a_number(path: str, number: float) -> None:
    assert number_at(ANSWER, parse(path)) == number


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("$.a", "is not a number but an object"),
        ("$.t", "is not a number but text"),
        ("$.f", "is not a number but true or false"),
        ("$.none", "has nothing at 'none'"),
        ("$.rows[2].n", "has nothing at '2'"),
        ("$.rows.n", "has nothing at 'n'"),
        ("$.a[*]", "is not a list but an object"),
    ],
)
def test_A25_where_there_is_no_number_it_says_why(path: str, why: str) -> None:
    with pytest.raises(NoNumber, match=f"^{why}$"):
        number_at(ANSWER, parse(path))


@pytest.mark.parametrize("path", ["", "a", "$.", "$..a", "$[", "$[-1]", "$[?(@.x)]", "$.a b", "$['a]"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"begin with|cannot be read"):
        parse(path)


# -- the record


def test_A26_two_at_once_refuse_each_other(tmp_path: Path) -> None:
    with open_record(tmp_path / "r.json"), pytest.raises(Locked, match="already in use by pid"):
        with open_record(tmp_path / "r.json"):
            pass


def test_A24_what_is_done_is_known_by_tenant_start_and_length_and_survives(tmp_path: Path) -> None:
    with open_record(tmp_path / "r.json") as record:
        record.finish("a", DAY)
    with open_record(tmp_path / "r.json") as record:
        assert record.is_done("a", DAY)
        assert not record.is_done("b", DAY)
        assert not record.is_done("a", Bucket(MONDAY, 3600))
        for day in range(1, 15):
            record.finish("a", Bucket(MONDAY.replace(day=day), 86400))
        assert record.is_done("a", DAY)
        assert not record.is_done("a", Bucket(MONDAY.replace(day=1), 86400))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"buckets": 7}', b"\xff"])
def test_A26_a_record_that_cannot_be_understood_stays_and_stops_the_run(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "r.json").write_bytes(data)
    with pytest.raises(KfwError, match="cannot understand"), open_record(tmp_path / "r.json"):
        pass
    assert (tmp_path / "r.json").read_bytes() == data


def test_the_record_of_kportforward_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"last_collection": {"start": "x"}, "tenant_checkpoints": {}}')
    with open_record(tmp_path / "r.json") as record:
        assert not record.is_done("a", DAY)


# -- servers


def nowhere(name: str) -> str:
    raise KfwError(f"cannot find a forward named '{name}'")


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    known = Catalog()
    for number in range(20):
        known.add("org", f"env_{number}", f"Number {number}", number, 2, 3, 4)
    with serving(known):
        yield known


def settings(catalog: Catalog, *figures: Figure, timeout: float = 30) -> CollectorSettings:
    listed = FigureQuestion(
        address=f"http://127.0.0.1:{catalog.ports['environment']}", path="/api/environment/{tenant}"
    )
    return CollectorSettings(workspaces=WorkspaceList(listed), figures=figures, timeout=timeout)


def run(made: CollectorSettings, folder: Path) -> tuple[list[UsageEvent], list[str]]:
    events, told = list[UsageEvent](), list[str]()
    with open_record(folder / "r.json") as record, Backends(nowhere, made.timeout) as backends:
        Collection(made, backends, events.append, told.append).run(("org",), DAY, record, force=False)
    return events, told


def components(catalog: Catalog, **more: str) -> Figure:
    address = f"127.0.0.1:{catalog.ports['architectureInventory']}"
    request = '{"tenant_id": "{tenant}", "environment_id": "{workspace}"}'
    question = FigureQuestion(**{"address": address, "method": "GetMetadata", "request": request} | more)
    return Figure("component_count", question, ("component_count",))


def test_one_answer_gives_all_figures_that_are_in_it(catalog: Catalog, tmp_path: Path) -> None:
    one = components(catalog)
    events, _ = run(
        settings(catalog, one, Figure("relations", one.question, ("relationship_count",))), tmp_path
    )
    assert catalog.asked["GetMetadata"] == 20
    assert events[-1].metrics == {"workspace_count": 20, "component_count": 190, "relations": 40}
    assert [event.workspace.id for event in events if event.workspace] == [f"env_{n}" for n in range(20)]


def test_A25_a_server_that_does_not_answer_is_not_asked_for_each_workspace(
    catalog: Catalog, tmp_path: Path
) -> None:
    over = threading.Event()
    catalog.before = lambda method, workspace: over.wait(60)
    try:
        events, told = run(settings(catalog, components(catalog), timeout=1), tmp_path)
    finally:
        over.set()
    assert events[-1].metrics["component_count"] is None
    assert any("was asked 3 times and did not answer" in each for each in told)
    assert catalog.asked["GetMetadata"] < 20


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"method": "acme.Metadata/Nothing"}, "has no method Nothing"),
        ({"method": "acme.Nobody/GetMetadata"}, "does not know acme.Nobody"),
        ({"method": "Nothing"}, "has no method Nothing"),
        ({"request": '{"tenant": "x"}'}, 'no field named "tenant"'),
        ({"address": "127.0.0.1:1"}, "UNAVAILABLE"),
        ({"address": "", "forward": "gone"}, "cannot find a forward named 'gone'"),
    ],
)
def test_A25_why_a_figure_is_missing_is_said(
    catalog: Catalog, tmp_path: Path, more: dict[str, str], why: str
) -> None:
    events, told = run(settings(catalog, components(catalog, **more)), tmp_path)
    assert events[-1].missing == ["component_count"]
    assert any(why in each for each in told), told


@contextmanager
def reflecting(
    *methods: tuple[str, Any], spoil: Callable[[bytes], list[bytes]] = lambda file: [file]
) -> Iterator[GrpcServer]:
    """A server of these services that answers to version 1 of reflection, one file at a time, as others than Python's do.
    `spoil`: what it tells instead of a file."""
    pool = proto_pool()

    def answer(asked: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        for one in asked:
            if one.list_services:
                names = [{"name": "acme.Metadata"}, {"name": "acme.Requirements"}]
                yield Answer(services={"service": names})
                continue
            symbol = one.file_containing_symbol
            found = (
                pool.FindFileContainingSymbol(symbol) if symbol else pool.FindFileByName(one.file_by_filename)
            )
            file = descriptor_pb2.FileDescriptorProto()
            found.CopyToProto(file)
            told = spoil(file.SerializeToString())
            yield Answer(files={"file_descriptor_proto": told})

    handler = grpc.stream_stream_rpc_method_handler(answer, Request.FromString, Answer.SerializeToString)
    server = grpc.server(ThreadPoolExecutor(4))
    name = "grpc.reflection.v1.ServerReflection"
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}),
            *(grpc.method_handlers_generic_handler(service, handlers) for service, handlers in methods),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    asked = GrpcServer(f"127.0.0.1:{port}")
    try:
        yield asked
    finally:
        asked.close()
        server.stop(0).wait()


def test_reflection_of_version_1_and_files_one_by_one() -> None:
    """The file that its messages come from is asked for by its name; an answer without a message is empty, and says so."""
    raw = grpc.unary_unary_rpc_method_handler(lambda request, context: b"\n\x02\x08\x07")
    with reflecting(("acme.Requirements", {"ListRequirementsAvailable": raw})) as server:
        answer = server.call("ListRequirementsAvailable", {"tenant_id": "t"}, 30)
    assert answer == {"pagination": {"total_count": "7"}}


def test_a_server_without_reflection_is_named_with_what_to_do() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    asked = GrpcServer(f"127.0.0.1:{port}")
    try:
        with pytest.raises(KfwError, match="does not serve gRPC reflection"):
            asked.call("X", {}, 30)
    finally:
        asked.close()
        server.stop(0).wait()
