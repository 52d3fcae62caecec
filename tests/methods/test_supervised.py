"""What children say is in the log with its forward, its tool and its stream."""

import asyncio
import logging
import sys
from pathlib import Path

import pytest

from kfw.methods.supervised import logged
from kfw.system.ledger import Ledger
from kfw.system.process import Children

SAYS = r"""
import os
os.write(1, b"plain\n\x1b[31mred\x1b[0m\n")
os.write(2, b"caf\xe9 \xff\xfe\n" + b"x" * 70000 + b"\nlast")
"""


@pytest.mark.asyncio
async def test_FR_MON_05_every_line_of_a_child_is_logged_with_forward_tool_and_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "kfw.forward"):
        children = Children(Ledger(tmp_path / "ledger.json"))
        on_line = logged("api", "stub", lambda stream, line: logging.INFO)
        child = await children.start([sys.executable, "-c", SAYS], label="api", on_line=on_line)
        await asyncio.wait_for(child.wait(), 60)
        await child.stop()
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if " stdout: " in line] == [
        "api: stub stdout: plain",
        "api: stub stdout: red",
    ]
    assert [line for line in said if " stderr: " in line] == [
        "api: stub stderr: caf\ufffd \ufffd\ufffd",
        "api: stub stderr: " + "x" * 65536,
        "api: stub stderr: " + "x" * (70000 - 65536),
        "api: stub stderr: last",
    ]
