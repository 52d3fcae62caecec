import pytest

from kfw.config.toml_text import parse
from kfw.config.tree import Mapping, Node, Place, Scalar, Unparsable
from tests.config.fakes import Project

HERE = Place("f.toml", layer="project")

TEXT = """\
# words
monitoringInterval = "5s"

[portForwards.api]  # words
target = "service/api"
  localPort   =  9080
retry.maxDelay = "5s"
health = {type = "tcp"}

[profiles."dev"]
namespaces = ["a",
  "b"]
"""


def place(node: Node | None, *keys: str) -> tuple[int, int]:
    for key in keys:
        assert isinstance(node, Mapping)
        node = node.get(key)
    assert node is not None
    return node.at.line, node.at.column


def test_the_places_of_keys_are_found() -> None:
    tree = parse(TEXT, HERE)
    assert place(tree, "monitoringInterval") == (2, 22)
    assert place(tree, "portForwards", "api") == (4, 2)
    assert place(tree, "portForwards", "api", "localPort") == (6, 18)
    assert place(tree, "portForwards", "api", "retry", "maxDelay") == (7, 18)
    assert place(tree, "portForwards", "api", "health", "type") == (8, 10), "that of its table"
    assert place(tree, "profiles", "dev", "namespaces") == (11, 14)
    assert isinstance(tree, Mapping)
    api = tree.get("portForwards")
    assert isinstance(api, Mapping)
    assert [key.at.line for key, _ in api.pairs] == [4]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("'x'", "text"),
        ("5", "int"),
        ("5.0", "float"),
        ("nan", "float"),
        ("true", "bool"),
        ("2020-01-01", "odd"),
        ("07:30:00", "odd"),
        ("2020-01-01T00:00:00Z", "odd"),
    ],
)
def test_values_keep_their_kind(value: str, kind: str) -> None:
    tree = parse(f"a = {value}\n", HERE)
    assert isinstance(tree, Mapping)
    node = tree.get("a")
    assert isinstance(node, Scalar)
    assert node.kind == kind


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a = on\n",
            "f.toml:1:5: this is not TOML: Invalid value, write text in quotes, and true, false or a number without",
        ),
        (
            "a = 1\nb\n",
            "f.toml:2:2: this is not TOML: Expected '=' after a key in a key/value pair, write key = \"value\"",
        ),
        (
            "[a]\nb = 1\nc = 2\nb = 3\n",
            "f.toml:4:1: this is not TOML: Cannot overwrite a value, keep one of the two",
        ),
        ("[a]\n[b]\n[a]\n", "f.toml:3:2: this is not TOML: Cannot declare ('a',) twice, keep one of the two"),
        (
            "a: 1\n",
            "f.toml:1:2: this is not TOML: Expected '=' after a key in a key/value pair, write key = \"value\"",
        ),
        (
            "a = [1,\n",
            "f.toml:1:1: this is not TOML: Invalid value, write text in quotes, and true, false or a number without",
        ),
        ("a = " + "[" * 999, "f.toml:1:1: this line is longer than 1000 characters, break it into several"),
        ("a = " + "[\n" * 999, "f.toml:1:1: this is nested more than 32 levels deep, nest it less deeply"),
        (
            "[a" + ".a" * 40 + "]\n",
            "f.toml:1:1: this is nested more than 32 levels deep, nest it less deeply",
        ),
        (
            "a" + ".a" * 600 + " = 1\n",
            "f.toml:1:1: this line is longer than 1000 characters, break it into several",
        ),
    ],
)
def test_what_is_no_toml_names_the_line_and_the_fix(text: str, problem: str) -> None:
    with pytest.raises(Unparsable) as error:
        parse(text, HERE)
    assert str(error.value.problem) == problem


def test_a_number_of_thousands_of_digits_is_no_crash() -> None:
    with pytest.raises(Unparsable):
        parse("a = [\n" + "1" * 990 + ",\n" + "x\n]", HERE)


def test_mistakes_in_toml_are_found_like_those_in_yaml(project: Project) -> None:
    text = """\
[portForwards.api]
tagret = "service/api"
localPort = 70000
local_port = 1

[portForwards.Web]
target = "service/web"
localPort = "9000"

[portForwards.db]
target = "service/db"
localPort = 2020-01-01
hold = {}
"""
    assert project.problems(text, "kfw.toml") == [
        "kfw.toml:2:1: unknown key 'tagret' in portForwards.api, did you mean target?",
        "kfw.toml:3:13: portForwards.api.localPort is 70000, write a port from 0 to 65535",
        "kfw.toml:4:1: portForwards.api.localPort is given twice, first in line 3, keep one of the two",
        "kfw.toml:6:2: the name 'Web' in portForwards cannot be used, "
        "use lower-case letters, digits and '-', at most 63, for example web",
        "kfw.toml:8:13: portForwards.Web.localPort is '9000', write 9000 without quotes",
        "kfw.toml:12:13: portForwards.db.localPort is '2020-01-01', which is a date, write a port from 0 to 65535",
        "kfw.toml:13:8: portForwards.db.hold is a mapping, write a time such as 500ms, 1m30s or a number of seconds",
    ]


def test_an_empty_toml_file_is_a_mistake(project: Project) -> None:
    assert project.problems("# nothing\n", "kfw.toml") == [
        "kfw.toml:1:1: the file is empty, write for example [portForwards.NAME] or delete it"
    ]
