"""A daemon of the version before, which knew no projects, hands over to this one: its words are read as they were meant."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from kfw.daemon.takeover import Takeover
from kfw.environ import Environs
from kfw.names import RowId
from kfw.system.fd_channel import FdChannel
from tests.fakes import forward

pytestmark = pytest.mark.asyncio

SHOP, BLOG = "/p/shop/kfw.yaml", "/p/blog/kfw.yaml"
API, DB = RowId(SHOP, "api"), RowId(BLOG, "db")


def legacy(**changes: Any) -> dict[str, Any]:
    """What kfw 0.1 sends: a forward goes by its name alone."""
    forwards = [asdict(forward(row.name, source=row.project)) for row in (API, DB)]
    options = {
        "on_demand": True,
        "log_level": "info",
        "to_stderr": False,
        "metrics_listen": None,
        "notices": False,
    }
    return {
        "type": "Legacy",
        "pid": 1,
        "options": options,
        "record": {"forwards": forwards, "projects": {}, "version": 2},
        "environs": [{"variables": {"WHO": "ada"}, "names": ["api"], "sources": [SHOP]}],
        "has_metrics": False,
        "ports": {"api": 1},
        "later": ["db"],
        "serving": ["api"],
        "limit": 1.0,
        **changes,
    }


@asynccontextmanager
async def received(told: dict[str, Any], folder: Path) -> AsyncIterator[tuple[Takeover, dict[str, Any], int]]:
    """The new side, its Hello, and the port whose socket came with the message."""
    ours, theirs = socket.socketpair()
    before = FdChannel(ours)
    number = theirs.detach()
    beginning = asyncio.create_task(Takeover.begin(number))
    hello = json.loads((await before.receive())[0])
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
        try:
            files = [lock, listening.fileno(), listening.fileno()]
            await before.send(json.dumps(told).encode(), files)
            made = await beginning
            try:
                yield made, hello, listening.getsockname()[1]
            finally:
                made.control.close()
                made.close()
        finally:
            os.close(lock)
            before.close()


async def test_it_says_the_number_that_the_older_one_asks_for_and_what_it_understands_beyond(
    tmp_path: Path,
) -> None:
    async with received(legacy(), tmp_path) as (_, hello, _):
        assert (hello["speaks"], hello["newest"]) == (1, 2)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param({}, id="names alone"),
        pytest.param(
            {
                "environs": [{"variables": {"WHO": "ada"}, "names": [str(API)], "sources": [SHOP]}],
                "ports": {str(API): 1},
                "later": [str(DB)],
                "serving": [str(API)],
            },
            id="with their projects",
        ),
    ],
)
async def test_ports_environments_and_what_comes_later_go_to_the_right_rows(
    tmp_path: Path, words: dict[str, Any]
) -> None:
    async with received(legacy(**words), tmp_path) as (made, _, port):
        environs = Environs({})
        made.give_environs(environs)
        assert (environs.of(API).get("WHO"), environs.of(DB).get("WHO")) == ("ada", None)
        assert [one.id for one in made._later()] == [DB]
        assert made.inheritance.take(DB) == []
        [inherited] = made.inheritance.take(API)
        with inherited:
            assert inherited.getsockname()[1] == port
