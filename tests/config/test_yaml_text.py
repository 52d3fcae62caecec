import pytest
import yaml

from kfw.config.tree import Mapping, Node, Place, Scalar, Sequence, Unparsable
from kfw.config.yaml_text import DEEPEST, parse, resolve

HERE = Place("f.yaml", layer="project")


def at(node: Node | None) -> tuple[int, int]:
    assert node is not None
    return node.at.line, node.at.column


def get(node: Node | None, *keys: str) -> Node:
    for key in keys:
        assert isinstance(node, Mapping)
        node = node.get(key)
    assert node is not None
    return node


def test_every_value_and_every_key_knows_where_it_stands() -> None:
    tree = parse("# words\na:\n  b: [1, {c: 'x'}]\n  ä: \"y\"\n  d: |\n    text\n", HERE)
    assert at(get(tree, "a", "b")) == (3, 6)
    assert at(get(tree, "a", "ä")) == (4, 6)
    assert at(get(tree, "a", "d")) == (5, 6)
    listed = get(tree, "a", "b")
    assert isinstance(listed, Sequence)
    assert at(get(listed.items[1], "c")) == (3, 14)
    assert isinstance(tree, Mapping)
    assert [at(key) for key, _ in tree.pairs] == [(2, 1)]
    assert tree.at.layer == "project"


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        ("", "null", None),
        ("~", "null", None),
        ("null", "null", None),
        ("NULL", "null", None),
        ("nULL", "text", "nULL"),
        ("true", "bool", True),
        ("True", "bool", True),
        ("FALSE", "bool", False),
        ("yes", "bool", True),
        ("Off", "bool", False),
        ("y", "text", "y"),
        ("0", "int", 0),
        ("-5", "int", -5),
        ("8080", "int", 8080),
        ("1.5", "float", 1.5),
        ("1e3", "float", 1000.0),
        (".5", "float", 0.5),
        ("-.inf", "float", float("-inf")),
        ("0777", "odd", 511),
        ("08", "float", 8.0),
        ("0x1f", "odd", 31),
        ("-0b11", "odd", -3),
        ("1_000", "odd", 1000),
        ("22:22", "odd", 1342),
        ("-1:30", "odd", -90),
        ("1:30.5", "odd", 90.5),
        ("2020-01-01", "odd", "2020-01-01"),
        ("127.0.0.1", "text", "127.0.0.1"),
        ("8080:80", "text", "8080:80"),
        ("1.2.3", "text", "1.2.3"),
        ("-", "text", "-"),
        ("30s", "text", "30s"),
        ("service/api", "text", "service/api"),
        ("9" * 5000, "text", "9" * 5000),
    ],
)
def test_a_plain_scalar_is_what_yaml_1_2_says_and_odd_where_yaml_1_1_differs(
    raw: str, kind: str, value: object
) -> None:
    assert resolve(raw) == (kind, value)


@pytest.mark.parametrize("text", ["a: 'on'", 'a: "on"', "a: |-\n  on", "a: >-\n  on"])
def test_a_quoted_word_is_text(text: str) -> None:
    node = get(parse(text, HERE), "a")
    assert isinstance(node, Scalar)
    assert (node.kind, node.value) == ("text", "on")


def test_an_alias_stands_where_it_is_written_and_not_where_its_anchor_is() -> None:
    tree = parse("a: &x {b: 1}\nc: *x\n", HERE)
    assert at(get(tree, "c")) == (2, 4)
    assert at(get(tree, "c", "b")) == (1, 11)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: *x", "the alias \\*x has no anchor above it"),
        ("&x {a: *x}", "the alias \\*x contains itself"),
        ("[" * (DEEPEST + 1), "nested more than 32 levels"),
        ("{a: " * (DEEPEST + 1), "nested more than 32 levels"),
        ("- " * (DEEPEST + 1) + "x", "nested more than 32 levels"),
        ("? {a: b}\n: c", "a mapping cannot be a key"),
        ("a: !!str 5", "the tag 'tag:yaml.org,2002:str' is not supported"),
        ("a: !!python/object/apply:os.system [x]", "is not supported"),
        ("a: 1\n--- b", "a second document begins here"),
    ],
)
def test_what_yaml_allows_and_kfw_does_not_is_said(text: str, what: str) -> None:
    with pytest.raises(Unparsable, match=what):
        parse(text, HERE)


def test_an_alias_bomb_is_refused_without_being_written_out() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
    )
    with pytest.raises(Unparsable, match="more than 100000 values when its aliases are written out"):
        parse(bomb, HERE)


def test_a_file_of_very_many_values_is_refused() -> None:
    with pytest.raises(Unparsable, match="more than 100000 values"):
        parse("[" + "1," * 100_001 + "]", HERE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1\nb: [x, 'y', \"z\"]\nc: {d: on, e: 22:22}\n",
        "a: &x {b: 1}\nc: *x\n",
        "# only\n",
        "a:\n- 1\n-\n  b: 2\n",
    ],
)
def test_the_parser_in_python_gives_the_same_tree_as_the_one_in_C(text: str) -> None:
    assert parse(text, HERE, loader=yaml.SafeLoader) == parse(text, HERE)


@pytest.mark.parametrize("text", ["a: b: c", "a: 'x", "\tx", "a: \x01", "a: [1", "a: *x", "{" * 40])
def test_the_parser_in_python_refuses_what_the_one_in_C_refuses(text: str) -> None:
    for loader in (yaml.SafeLoader, None):
        with pytest.raises(Unparsable):
            parse(text, HERE, loader=loader)
