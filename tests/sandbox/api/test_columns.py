from pathlib import Path

import pytest

from kfw.sandbox.api import kinds
from kfw.sandbox.api.columns import status_word
from kfw.sandbox.api.shape import table
from kfw.sandbox.objects import Object
from kfw.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import AT_ONCE


def names(resource: kinds.Resource, *, wide: bool) -> list[str]:
    definitions = table(resource, [], "1", 0.0)["columnDefinitions"]
    return [one["name"] for one in definitions if wide or not one["priority"]]


@pytest.mark.asyncio
async def test_every_row_has_a_cell_for_every_column(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, usual=AT_ONCE) as sandbox:
        seen = 0
        for resource in kinds.RESOURCES:
            things = sandbox.store.list(resource)
            shown = table(resource, things, "1", sandbox.store.now())
            for row in shown["rows"]:
                assert len(row["cells"]) == len(shown["columnDefinitions"]), (resource, row)
            seen += bool(things)
        assert seen > 9


def test_the_columns_of_events_are_in_the_order_of_the_real_server() -> None:
    assert names(kinds.EVENTS, wide=False) == ["Last Seen", "Type", "Reason", "Object", "Message"]
    assert names(kinds.EVENTS, wide=True) == [
        "Last Seen",
        "Type",
        "Reason",
        "Object",
        "Subobject",
        "Source",
        "Message",
        "First Seen",
        "Count",
        "Name",
    ]


def test_a_kind_without_columns_of_its_own_has_name_and_age() -> None:
    assert names(kinds.LEASES, wide=True) == ["Name", "Age"]


def pod(state: Object, *, leaving: bool = False, phase: str = "Running") -> Object:
    metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {}
    return {"metadata": metadata, "status": {"phase": phase, "containerStatuses": [{"state": state}]}}


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (pod({"running": {}}), "Running"),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoopBackOff"),
        (pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending"), "ContainerCreating"),
        (pod({"terminated": {"reason": "Completed", "exitCode": 0}}, phase="Succeeded"), "Completed"),
        (pod({"terminated": {"exitCode": 3}}, phase="Failed"), "ExitCode:3"),
        (pod({"running": {}}, leaving=True), "Terminating"),
        (pod({"terminated": {"reason": "Completed"}}, leaving=True), "Completed"),
        ({"metadata": {}}, "Pending"),
    ],
)
def test_the_word_for_a_pods_state_is_that_of_kubectl(one: Object, word: str) -> None:
    assert status_word(one) == word
