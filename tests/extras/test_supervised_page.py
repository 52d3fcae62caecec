"""The daemon's part of pages for gRPC: command lines, waiting for an answer, and a process that ends."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kfw.errors import KfwError, ToolMissing
from kfw.extras.forward_uis import UiPorts, UiSubject
from kfw.extras.grpc_ui import supervised_page
from kfw.extras.grpc_ui.supervised_page import GrpcUi, argv
from kfw.system.ledger import Ledger
from kfw.system.process import Children
from tests.fakes import forward
from tests.stubs import FOREVER, Stubs, eventually


def subject(port: int = 50051, **fields: object) -> UiSubject:
    return UiSubject(forward("cart", type="rpc", **fields), "cart", "127.0.0.1", port, environ=os.environ)


@pytest_asyncio.fixture
async def children(tmp_path: Path) -> AsyncIterator[Children]:
    one = Children(Ledger(tmp_path / "ledger.jsonl"))
    yield one
    await one.stop_all()


def test_A18_grpcui_is_told_where_to_be_and_where_the_server_is() -> None:
    assert argv(subject(), 9200) == [
        *("grpcui", "-bind", "127.0.0.1", "-port", "9200", "-open-browser=false"),
        *("-plaintext", "-connect-fail-fast=false", "-connect-timeout", "5", "127.0.0.1:50051"),
    ]


def test_files_of_the_config_are_named_to_grpcui() -> None:
    words = argv(subject(proto_files=("/a/cart.proto", "/b/all.binpb")), 9200)
    assert words[-6:-1] == ["/a", "-proto", "cart.proto", "-protoset", "/b/all.binpb"]


@pytest.mark.asyncio
async def test_its_url_is_told_when_it_answers_and_its_end_with_its_last_words(
    stubs: Stubs, children: Children
) -> None:
    steps = (
        {"wait_for": "go"},
        {"listen": "-port"},
        {"serve": "http"},
        {"wait_for": "end"},
        {"err": "stub: bye"},
    )
    stubs.script("grpcui", *steps, {"exit": 3})
    urls: list[str] = []
    running = asyncio.create_task(GrpcUi(children, UiPorts()).run(subject(), urls.append))
    await eventually(lambda: stubs.calls("grpcui"))
    assert urls == []
    stubs.go("go")
    await eventually(lambda: urls)
    port = stubs.calls("grpcui")[0].argv[3]
    assert urls == [f"http://127.0.0.1:{port}/"]
    stubs.go("end")
    with pytest.raises(KfwError, match="grpcui exited with code 3: stub: bye"):
        await running


@pytest.mark.asyncio
async def test_one_that_ends_before_it_answers_says_why_at_once(stubs: Stubs, children: Children) -> None:
    stubs.script("grpcui", {"err": "stub: server does not support the reflection API"}, {"exit": 1})
    with pytest.raises(KfwError, match="does not support the reflection API"):
        await GrpcUi(children, UiPorts()).run(subject(), lambda _: None)


@pytest.mark.asyncio
async def test_one_that_never_answers_is_given_up(
    stubs: Stubs, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised_page, "START", 0.3)
    stubs.script("grpcui", FOREVER)
    with pytest.raises(KfwError, match="grpcui did not answer on port"):
        await GrpcUi(children, UiPorts()).run(subject(), lambda _: None)


@pytest.mark.asyncio
async def test_one_that_is_cancelled_is_ended(stubs: Stubs, children: Children) -> None:
    stubs.script("grpcui", FOREVER)
    running = asyncio.create_task(GrpcUi(children, UiPorts()).run(subject(), lambda _: None))
    await eventually(lambda: stubs.calls("grpcui"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(stubs.calls("grpcui")[0].pid, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("ui", ["auto", "own", "grpcui"])
async def test_A19_without_what_it_needs_it_says_what_to_install(
    children: Children, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ui: str
) -> None:
    monkeypatch.setattr(supervised_page, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing) as told:
        await GrpcUi(children, UiPorts()).run(subject(ui=ui), lambda _: None)
    assert "grpcui" in told.value.what
    assert "install" in told.value.fix
