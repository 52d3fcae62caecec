"""kfw mcp: kfw's commands as tools of the Model Context Protocol."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from kfw.errors import UsageError


def mcp(
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Also offer up, add and down, which make changes.")
    ] = False,
    project: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Work in this folder, where the kfw.yaml is.")
    ] = None,
) -> int:
    """Serve kfw's commands to AI assistants and editors (MCP).

    It speaks the Model Context Protocol on stdin and stdout; the program that uses it starts it. It is read-only
    (targets, status, explain, logs) unless --allow-changes is given.

    \b
    kfw mcp
    kfw mcp --project ~/shop --allow-changes
    """
    from kfw.mcp.stdio_server import McpServer

    if project is not None:
        if not project.is_dir():
            raise UsageError(f"the folder {project} does not exist", "name the folder of a kfw.yaml")
        os.chdir(project)
    # What anything else prints must not get between the messages.
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)
        McpServer(sys.stdin.buffer, sink, allow_changes=allow_changes).serve()
    return 0
