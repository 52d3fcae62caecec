"""One word, one thing (docs/style.md): the classes and files of kfw/ that share a name are those listed here, each with
its reason, as often as the list says. What is listed and no longer shared fails, too."""

import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

import kfw

PACKAGE = Path(kfw.__file__).parent

#: `Name` stands twice in kfw/, `Name*3` three times.
CLASSES = {
    "a JSON shape as the API server sends it (target/decode), and what kfw keeps of it (target/objects, model)": """
        Endpoint EndpointSlice Node Pod Requirement Selector Service ServicePort SlicePort Workload*3""",
    "the embedded cluster's side of a thing that kfw meets from the other side": """
        Backend Change FarEnd Framing InWebSocket RawSpdy Resource Runtime Stream Tunnel Watch""",
}
FILES = {
    "each package may have them, and they say what their package's name says": """
        __init__*38 __main__ errors messages*3""",
    "a command, which translates words for the module of that name": """
        bootstrap events explain logs run*3 sandbox status""",
    "the embedded cluster's side of a thing that kfw meets from the other side": """
        access framing objects pod pods process session store watch""",
    "one member of the family of methods each": """
        method*3""",
    "the daemon's side of a thing, and kubectl's or the API's": """
        ports service*3""",  # the third is the command: what systemd and launchd call a service
}


def listed(groups: dict[str, str]) -> dict[str, int]:
    words = [word.partition("*") for names in groups.values() for word in names.split()]
    return {name: int(times or 2) for name, _, times in words}


def shared(names: Iterable[str]) -> dict[str, int]:
    return {name: times for name, times in Counter(names).items() if times > 1}


def classes_of(folder: Path) -> list[str]:
    """Without those that are private to their file."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in folder.rglob("*.py")]
    names = [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return [name for name in names if not name.startswith("_")]


def difference(found: dict[str, int], allowed: dict[str, int]) -> list[str]:
    names = sorted(found.keys() | allowed.keys())
    return [
        f"{name}: {found.get(name, 1)} times, {allowed.get(name, 1)} listed"
        for name in names
        if found.get(name, 1) != allowed.get(name, 1)
    ]


def test_classes_that_share_a_name_are_those_listed() -> None:
    assert not (found := difference(shared(classes_of(PACKAGE)), listed(CLASSES))), "\n".join(found)


def test_files_that_share_a_name_are_those_listed() -> None:
    stems = [file.stem for file in PACKAGE.rglob("*.py")]
    assert not (found := difference(shared(stems), listed(FILES))), "\n".join(found)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"Pod": 2}, []),
        ({"Pod": 3}, ["Pod: 3 times, 2 listed"]),
        ({}, ["Pod: 1 times, 2 listed"]),
        ({"Pod": 2, "Row": 2}, ["Row: 2 times, 1 listed"]),
    ],
)
def test_one_more_one_less_and_an_unknown_one_are_each_named(found: dict[str, int], said: list[str]) -> None:
    assert difference(found, {"Pod": 2}) == said


def test_a_class_in_a_class_counts_and_a_private_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("class A:\n    class B: ...\nclass _C: ...\n")
    assert sorted(classes_of(tmp_path)) == ["A", "B"]
