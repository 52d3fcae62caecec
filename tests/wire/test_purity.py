"""The codecs do no IO, see no clock, and take chance from their callers."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kfw.wire

MODULES = sorted(path.stem for path in Path(kfw.wire.__path__[0]).glob("*.py") if path.stem != "__init__")
FORBIDDEN = {
    "asyncio",
    "os",
    "socket",
    "subprocess",
    "time",
    "random",
    "secrets",
    "ssl",
    "threading",
    "select",
}


@pytest.mark.parametrize("module", MODULES)
def test_a_codec_imports_nothing_that_acts(module: str) -> None:
    tree = ast.parse((Path(kfw.wire.__path__[0]) / f"{module}.py").read_text())
    assert not {name.split(".")[0] for node in ast.walk(tree) for name in imported(node)} & FORBIDDEN


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_the_codecs_load_no_event_loop() -> None:
    code = "import sys, " + ", ".join(f"kfw.wire.{module}" for module in MODULES) + "\n"
    code += "print(sorted({'asyncio', 'ssl', 'typer', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
