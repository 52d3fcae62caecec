"""The embedded defaults are the manual: complete, right, and the same as what the rest of kfw assumes."""

import yaml

from kfw.config.build import entries, forward
from kfw.config.layers import EMBEDDED
from kfw.config.merge import Branch, Leaf
from kfw.config.schema import COMMON, SETTINGS
from kfw.config.settings import DaemonSettings
from kfw.config.tree import Place
from kfw.model import Forward, Target
from tests.config.fakes import Project

MANUAL = EMBEDDED.read_text(encoding="utf-8")


def test_the_manual_names_every_key_but_those_of_the_collector() -> None:
    from tests.config.test_schema import all_blocks

    keys = {key for block in all_blocks(SETTINGS) if "ollector" not in block.title for key in block.fields}
    assert [key for key in sorted(keys - {"collector"}) if f"{key}:" not in MANUAL] == []


def test_every_default_of_a_forward_is_set() -> None:
    values = yaml.safe_load(MANUAL)
    assert list(values["defaults"]) == list(COMMON)
    for name in ("retry", "health"):
        assert list(values["defaults"][name]) == list(COMMON[name].shape.fields)  # type: ignore[attr-defined]


def test_the_defaults_are_those_of_the_model(project: Project) -> None:
    project.write("kfw.yaml", "portForwards: {api: {target: service/api, localPort: 1}}\n")
    said = project.load().forwards["api"]
    model = Forward("api", Target.parse("service/api"), None, 1)
    for field in (
        "addresses",
        "method",
        "type",
        "readiness",
        "hold",
        "hold_refused",
        "on_port_in_use",
        "retry",
        "health",
        "enabled",
        "kubeconfig",
    ):
        assert getattr(said, field) == getattr(model, field), field


def test_the_daemons_defaults_are_those_of_its_settings(project: Project) -> None:
    assert project.load().daemon == DaemonSettings()


def test_the_manual_as_a_users_file_changes_nothing(project: Project) -> None:
    before = project.load()
    project.user_file.write_text(MANUAL)
    assert project.load().values == before.values


def test_the_manual_begins_with_the_line_that_editors_look_for() -> None:
    assert MANUAL.startswith("# yaml-language-server: $schema=schema.json\n")
    assert (EMBEDDED.parent / "schema.json").exists()


def test_a_forward_of_a_tree_without_defaults_still_is_one() -> None:
    """Nothing in build relies on the defaults being there."""
    at = Place("f")
    entry = Branch(at, {"target": Leaf("pod/x", at), "localPort": Leaf(1, at)})
    tree = Branch(at, {"portForwards": Branch(at, {"x": entry})})
    assert [forward(each, {}).local_port for each in entries(tree)] == [1]
