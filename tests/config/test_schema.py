import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

from kfw.config.blocks import Block, Named, camel, snake
from kfw.config.layers import EMBEDDED, SCHEMA
from kfw.config.schema import SETTINGS, json_schema
from tests.config.fakes import DATA
from tests.config.test_problems import FORWARD, blocks

COMMITTED = json.loads(SCHEMA.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(COMMITTED)

#: What a schema cannot say: that YAML 1.1 readers would differ, what keys mean together, what a path or an IP is.
BEYOND = (
    "has type exec and no command",  # a profile or the defaults may bring it
    "given twice",
    "the localPort",
    "same name",
    "has no ",
    "forwards nothing",
    "longer than",
    "which YAML reads as",
    "no such user",
    "an IP address",
    "an address and a port",
    "cannot be forwarded to",
    "the file is empty",
    "alias",
    "the tag",
    "second document",
    "cannot be a key",
    "control character",
    "choose another name",
    "the number 80.0",
    "merge key",
    "a time of at least",
    "is .inf",
)


def within(name: str) -> list[tuple[str, list[str]]]:
    return [each for each in blocks(name) if not any(words in each[1][0] for words in BEYOND)]


def test_the_committed_schema_is_the_one_that_the_tables_give() -> None:
    """`python -m tests.config.write_schema` writes it again."""
    assert json_schema() == COMMITTED


def test_the_schema_is_a_schema_with_a_name() -> None:
    assert COMMITTED["$id"].startswith("https://")
    jsonschema.Draft202012Validator.check_schema(COMMITTED)


@pytest.mark.parametrize(
    "path", [EMBEDDED, *sorted(DATA.glob("seed_00[04]_*.yaml"))], ids=lambda path: path.name
)
def test_the_examples_are_valid(path: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_toml_is_valid_by_the_same_schema() -> None:
    VALIDATOR.validate(tomllib.loads("[portForwards.api]\ntarget = 'service/api'\nlocal_port = 80\n"))


@pytest.mark.parametrize(("text", "said"), within("bad_files.txt"))
def test_an_editor_with_the_schema_finds_the_same_mistakes_in_files(text: str, said: list[str]) -> None:
    assert not VALIDATOR.is_valid(json.loads(json.dumps(yaml.safe_load(text), default=str))), said


@pytest.mark.parametrize(("line", "said"), within("bad_lines.txt"))
def test_an_editor_with_the_schema_finds_the_same_mistakes_in_lines(line: str, said: list[str]) -> None:
    assert not VALIDATOR.is_valid(yaml.safe_load(FORWARD + line)), said


def test_a_key_is_listed_once_and_its_other_spelling_is_valid_by_the_same_words() -> None:
    definitions = COMMITTED["$defs"].values()
    listed = {key for one in definitions for key in one["properties"]}
    others = {key for one in definitions for key in one.get("patternProperties", {})}
    assert not {key for key in listed if "_" in key}
    assert others == {f"^{snake(key)}$" for key in listed if snake(key) != key}
    assert VALIDATOR.is_valid({"port_forwards": {"api": {"target": "service/api", "local_port": 80}}})
    assert not VALIDATOR.is_valid({"port_forwards": {"api": {"target": "service/api", "local_port": "x"}}})
    assert not VALIDATOR.is_valid({"portForwards": {"api": {"target": "service/api", "local_portx": 80}}})


def test_both_spellings_of_a_key_are_made_of_each_other() -> None:
    assert camel("on_port_in_use") == "onPortInUse"
    assert snake("onPortInUse") == "on_port_in_use"
    assert camel("target") == snake("target") == "target"


def test_every_key_has_a_sentence_about_it() -> None:
    for block in all_blocks(SETTINGS):
        for key, field in block.fields.items():
            assert field.doc.endswith("."), f"{block.title}.{key}"


def all_blocks(block: Block) -> list[Block]:
    found = [block]
    for field in block.fields.values():
        inner = field.shape.block if isinstance(field.shape, Named) else field.shape
        found += all_blocks(inner) if isinstance(inner, Block) else []
    return found
