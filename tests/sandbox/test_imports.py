"""What the sandbox needs of kfw: it could be a package of its own, with these four."""

import ast
from collections.abc import Iterator
from pathlib import Path

import kfw

#: Also of the contract in pyproject.toml, which names those that are forbidden and so cannot know of a new one.
ALLOWED = {"errors", "http", "sandbox", "system", "wire"}


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{one.name}" for one in node.names)


def test_the_sandbox_imports_only_errors_http_wire_and_system() -> None:
    here = Path(kfw.__file__).parent / "sandbox"
    found = {
        (path.name, name)
        for path in here.rglob("*.py")
        for name in imported(path.read_text())
        if name.partition(".")[0] == "kfw" and name.split(".")[1] not in ALLOWED
    }
    assert found == set()
    assert len(list(here.rglob("*.py"))) > 30  # it has looked at something


def test_an_import_of_another_part_would_be_seen() -> None:
    assert "kfw.model.Forward" in set(imported("def f():\n    from kfw.model import Forward"))
