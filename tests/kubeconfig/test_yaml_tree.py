"""YAML from others: read as kubectl reads it, bounded, and silent about what it holds."""

import time
import tracemalloc
from typing import Any

import pytest

from kfw.kubeconfig.yaml_tree import BadYaml, YamlLimits, YamlMapping, YamlScalar, load_yaml, parse

LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"", None),
        (b"# words\n", None),
        (b"---\n", None),
        (b"[yes, on, y, true, True, no, off, n]", [True] * 5 + [False] * 3),
        (b"['yes', \"on\", tRue, yEs]", ["yes", "on", "tRue", "yEs"]),
        (b"[~, null, NULL, nUll, ]", [None, None, None, "nUll"]),
        (b"[12, 0x10, 017, 0b11, 1_000, -3, +4]", [12, 16, 15, 3, 1000, -3, 4]),
        (b"[1e3, .5, 1.5, 99999999999999999999]", [1000.0, 0.5, 1.5, 1e20]),
        (b"[2026-11-21, 12:30:45, 0x, 1.2.3, 08]", ["2026-11-21", "12:30:45", "0x", "1.2.3", 8.0]),
        (b"[!!str 12, ! 12, !other abc, !!binary YWJj]", ["12", "12", "abc", "abc"]),
        (b"{1: a, yes: b}", {"1": "a", "yes": "b"}),
        (b"a: 1\na: 2\n", {"a": 2}),
        (b"a: |\n  x\n  y\nb: >-\n  x\n  y\n", {"a": "x\ny\n", "b": "x y"}),
        (b'{"a":"b",\n\t"c": [1, null, false],}', {"a": "b", "c": [1, None, False]}),
    ],
)
def test_values_are_those_that_kubectl_reads(text: bytes, value: Any) -> None:
    assert load_yaml(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"a: b\n---\n",
        b"a: b\n---\nc: d\n",
        b"a: b\n---\n{[ no yaml",
        b"a: b\n...\n}{",
        b"\xef\xbb\xbfa: b\n",
        b"a: b\r\n",
        b"a: b\r",
        b"a:\tb\t\n",
        "a: b".encode("utf-16"),
        b"%YAML 1.1\n---\na: b\n",
    ],
)
def test_only_the_first_document_counts_in_any_encoding_that_YAML_knows(text: bytes) -> None:
    assert load_yaml(text) == {"a": "b"}


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("<<: {a: 1, b: 2}\na: 3", {"a": 3, "b": 2}),
        ("a: 3\n<<: {a: 1}", {"a": 1}),
        ("<<: [{a: 1}, {a: 2, b: 2}]", {"a": 1, "b": 2}),
        ("<<: {<<: {a: 1}, b: 2}", {"a": 1, "b": 2}),
        ("<<: {a: 1}\n<<: {b: 2}", {"a": 1, "b": 2}),
        ('"<<": {a: 1}', {"<<": {"a": 1}}),
    ],
)
def test_merge_keys_are_resolved_in_the_order_in_which_kubectl_does(text: str, merged: Any) -> None:
    assert load_yaml(text.encode()) == merged


def test_an_anchor_that_is_there_twice_stands_for_the_nearest_before_its_alias() -> None:
    assert load_yaml(b"[&a 1, *a, &a 2, *a]") == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"a: *SECRET", 1),
        (b"x: 1\na: &SECRET [*SECRET]", 2),
        (b"a: @SECRET", 1),
        (b"a: 'SECRET", 1),
        (b"a: SECRET\n b: c", 2),
        (b"a: b\n\tSECRET: c", 2),
        (b"? [SECRET]\n: b", 1),
        (b"{a: {SECRET: b}: c}", 1),
        (b'a: b\nSECRET: "\x01"', 2),
        (b"a: b\n# SECRET\xe9\n", 2),
        (b"<<: SECRET", 1),
        (b"<<: [SECRET]", 1),
        (b"a: !!binary SECRET*", 1),
        (b"a: !<SECRET x", 1),
        (b"a: !SECRET!x y", 1),
        (b"%SECRET\n--- a\n", 1),
        (b"a: .inf # SECRET", 1),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_without_a_word_of_the_text(text: bytes, line: int) -> None:
    with pytest.raises(BadYaml) as caught:
        load_yaml(text)

    assert caught.value.line == line
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        b"[" * 100_000,
        b"- " * 100_000,
        b"{a: " * 100_000,
        b"a: &a {b: 1}\n" + b"".join(b"%d: &a [*a]\n" % i for i in range(5_000)),
        b"[" + b"a," * 1_000_000 + b"]",
        b"- a: &a\n" * 400_000,
        b"x" * (5 << 20),
        b"? " * 100_000,
        b"!!set {" * 100_000,
    ],
)
def test_a_bomb_costs_little_time_and_memory(text: bytes) -> None:
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(BadYaml):
            load_yaml(text)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 100 << 20
    assert time.process_time() - began < 20  # tracing makes it ten times as slow


def test_limits_are_exact() -> None:
    assert load_yaml(b"[[[1]]]", YamlLimits(depth=4)) == [[[1]]]
    with pytest.raises(BadYaml, match="nested more than 3 deep"):
        load_yaml(b"[[[1]]]", YamlLimits(depth=3))
    assert load_yaml(b"[1, 2, 3]", YamlLimits(nodes=4)) == [1, 2, 3]
    with pytest.raises(BadYaml, match="more than 3 values"):
        load_yaml(b"[1, 2, 3]", YamlLimits(nodes=3))


def test_an_alias_counts_as_deep_as_what_it_stands_for() -> None:
    assert load_yaml(b"a: &a [1]\nb: [*a]", YamlLimits(depth=4)) == {"a": [1], "b": [[1]]}
    with pytest.raises(BadYaml, match="nested"):
        load_yaml(b"a: &a [1]\nb: [*a]", YamlLimits(depth=3))


def test_a_tree_knows_its_lines() -> None:
    root = parse(b"a: b\nc:\n  d: e\n")

    assert isinstance(root, YamlMapping)
    inner = root.items["c"]
    assert isinstance(inner, YamlMapping)
    found = inner.items["d"]
    assert isinstance(found, YamlScalar) and (found.text, found.line, inner.line) == ("e", 3, 3)
