"""The recipe for a method in docs/development.md is whole: a toy that is added by it, to a copy, works and is explained."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.whole.conftest import Make
from tests.whole.place import Place

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "development.md").read_text()

TOY = '''
"""toy: a node port, by another name."""

from collections.abc import Mapping
from typing import Literal

from kfw.errors import KfwError
from kfw.methods.base import OpenRequest, Tunnel
from kfw.methods.nodeport import NodePort


class Toy:
    name = "toy"
    wants: Literal["pod", "node"] = "node"
    owns_port = False
    logs_in = False

    def missing(self, environ: Mapping[str, str] | None = None) -> KfwError | None:
        return None

    async def open(self, way: OpenRequest) -> Tunnel:
        return await NodePort().open(way)
'''
ROW = '"toy": MethodTraits("for play (toy)", limits=("it is a toy",)),'
MAKER = """
    def toy() -> Method:
        from kfw.methods.toy import Toy

        return Toy()"""
#: What is inserted behind what, by file.
EDITS = {
    "kfw/choices.py": [("METHODS: Mapping[str, MethodTraits] = {", ROW)],
    "kfw/methods/choose.py": [
        ("return Kubefwd(children)", MAKER),
        ("kubefwd,", "toy,"),
    ],
}


def recipe() -> str:
    found = re.search(r"^### A method\n(.*?)^##", PAGE, re.M | re.S)
    assert found
    return found[1].replace("NAME", "toy")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, with the toy in it."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("kfw", "tests"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "kfw/methods/toy.py").write_text(TOY)
    for file, insertions in EDITS.items():
        for after, line in insertions:
            _insert(folder / file, after, line)
    for command in re.findall(r"`\.venv/bin/python ([^`]+)`", recipe()):
        python(folder, *command.split())
    return folder


def _insert(file: Path, after: str, line: str) -> None:
    lines = file.read_text().splitlines()
    at = next(number for number, text in enumerate(lines) if text.strip() == after)
    indent = re.match(r" *", lines[at + 1])
    lines.insert(at + 1, (indent[0] if indent else "") + line)
    file.write_text("\n".join(lines) + "\n")


def python(folder: Path, *arguments: str) -> None:
    env = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipe_names_each_file_of_kfw_that_changes(copy: Path) -> None:
    found = [path for path in (copy / "kfw").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files = {str(path.relative_to(copy)) for path in found}
    changed = {name for name in files if not same(ROOT / name, copy / name)}
    named = set(re.findall(r"`(kfw/[\w/.]+)`", recipe()))
    assert changed == named - {"kfw/methods/base.py"}


def same(one: Path, other: Path) -> bool:
    return one.exists() and one.read_bytes() == other.read_bytes()


def test_a_method_added_by_the_recipe_carries_and_is_explained(
    copy: Path, shared: Place, namespace: str, make_kfw: Make, port: int
) -> None:
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http")),
    )
    kfw = make_kfw(shared.kubeconfig, PYTHONPATH=str(copy))
    file = kfw.configure(
        {"web": {"target": "service/web", "namespace": namespace, "localPort": port, "method": "toy"}}
    )

    kfw("config", "check", str(file))
    kfw("up")
    assert kfw.status("web")["method"] == "toy"
    assert talk.pod_behind(port).startswith("web-")
    explained = kfw.json("explain", "web")
    assert [one["method"] for one in explained["candidates"] if one["chosen"]] == ["toy"]
    assert "it is a toy" in explained["limits"]


def test_the_tests_of_the_closed_sets_and_of_the_schema_hold_with_it(copy: Path) -> None:
    python(
        copy,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_choices.py",
        "tests/config/test_schema.py",
    )
