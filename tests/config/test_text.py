from pathlib import Path

import pytest
import yaml

from kfw.config.layers import load_only
from kfw.config.yaml_text import as_yaml, scalar
from tests.config.fakes import DATA, Project

EVERYTHING = """
defaults: {address: ["::1"], hold: 90, context: "on"}
portForwards:
  a: {target: service/a, targetPort: http, localPort: 1, kubeconfig: [x, ~/y], method: socat}
  b: {target: pod/b, targetPort: 80, disabled: true, namespace: "5"}
profiles:
  p: {namespaces: [n], context: "22:22", portForwards: {c: {target: sts/c, localPort: 2, retry: {multiplier: 3}}}}
  q: {namespaces: [n, m], labels: ["a in (b, c)", "!x"], enabled: false}
daemon: {logFile: "a: b # c"}
"""


def test_what_is_shown_says_the_same_when_it_is_read_again(project: Project) -> None:
    first = load_only([project.write("a.yaml", EVERYTHING)], project.here)
    shown = project.write("b.yaml", as_yaml(first.tree))
    second = load_only([shown], project.here)
    assert second.values == first.values
    assert {name: forward.source for name, forward in second.forwards.items()} == dict.fromkeys(
        "abc", str(shown)
    )
    for name, forward in first.forwards.items():
        assert forward.__class__(**{**vars(second.forwards[name]), "source": forward.source}) == forward


def test_what_is_shown_is_what_other_yaml_readers_see(project: Project) -> None:
    settings = load_only([project.write("a.yaml", EVERYTHING)], project.here)
    assert yaml.safe_load(as_yaml(settings.tree)) == settings.values
    assert yaml.safe_load(as_yaml(settings.tree, with_origin=True)) == settings.values


def test_the_origin_of_each_value_stands_beside_it(project: Project) -> None:
    project.write("kfw.yaml", "portForwards:\n  api: {target: service/api, targetPort: 80}\n")
    lines = as_yaml(project.load(flags={"hold": "5s"}).tree, with_origin=True).splitlines()
    assert lines[:3] == [
        "portForwards:",
        "  api:",
        "    target: service/api                      # project kfw.yaml:2",
    ]
    assert "    localPort: 8080                          # project kfw.yaml:2" in lines
    assert "    hold: 5s                                 # flag --hold" in lines
    assert any(line.startswith("    method: auto") and "# embedded defaults.yaml:" in line for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("shop", "shop"),
        ("service/api", "service/api"),
        ("on", '"on"'),
        ("22:22", '"22:22"'),
        ("5", '"5"'),
        ("", '""'),
        ("~", '"~"'),
        ("a b", '"a b"'),
        ("ä", '"ä"'),
        ("1m30s", "1m30s"),
        (None, "null"),
        (True, "true"),
        (2.0, "2.0"),
    ],
)
def test_text_is_quoted_where_a_reader_would_take_it_for_something_else(value: object, text: str) -> None:
    assert scalar(value) == text
    assert yaml.safe_load(text) == value


@pytest.mark.parametrize("path", sorted(DATA.glob("seed_*.yaml")), ids=lambda path: path.name)
def test_the_seeds_examples_say_the_same_when_they_are_read_again(project: Project, path: Path) -> None:
    first = load_only([path], project.here)
    second = load_only([project.write("again.yaml", as_yaml(first.tree))], project.here)
    assert second.values == first.values
