"""What is said about files that are wrong: data/bad_files.txt and data/bad_lines.txt hold every word of it.

Blocks are separated by an empty line; the lines after `=> ` are the problems, without the file's name. In
bad_lines.txt each block is the last line of a forward that is right otherwise, and its problem from the column on.
"""

import re

import pytest
import yaml

from kfw.errors import ConfigError
from tests.config.fakes import DATA, Project

FORWARD = """\
portForwards:
  a:
    target: service/a
    localPort: 9000
    """

SYNTAX = (
    ("{}{}", "1:3", "keep one mapping in a file"),
    ("\ta: 1\n", "1:1", "indent with spaces, not with a tab"),
    ("a:\n\tb: 1\n", "2:1", "indent with spaces, not with a tab"),
    ("a: |\n\tx\n", "2:1", "indent with spaces, not with a tab"),
    ("portForwards: 'x", "1:15", "close the quote that begins here"),
    ('portForwards: "x', "1:15", "close the quote that begins here"),
    ("portForwards: {a: ", "1:19", "write a value, or close the bracket"),
    ("portForwards: [1, 2", "1:15", "close the list with ]"),
    ("portForwards: {a: 1", "1:15", "close the mapping with }"),
    (
        "portForwards: a: b",
        "1:16",
        "put text that holds ': ' in quotes, or align this line with the one above",
    ),
    ("portForwards:\n  a: 1\n b: 2\n", "3:2", "align this line with its neighbours"),
    ("- a\nportForwards: {}\n", "2:1", "align this line with its neighbours"),
    ("portForwards: @x\n", "1:15", "put the value in quotes"),
    ("portForwards: %x\n", "1:15", "put the value in quotes"),
    ("portForwards: `x`\n", "1:15", "put the value in quotes"),
    ("defaults: {address: [::1]}\n", "1:22", "put the value in quotes"),
    ("%YAML 3.0\n---\na: 1\n", "1:1", "check the quotes and the indentation here"),
    ("portForwards: \x01\n", "1:15", "remove it"),
    ('portForwards: "\\q"\n', "1:16", "write \\\\ for a backslash, or use single quotes"),
)


def blocks(name: str) -> list[tuple[str, list[str]]]:
    found = []
    for block in (DATA / name).read_text(encoding="utf-8").split("\n\n"):
        lines = block.splitlines()
        said = [line[3:] for line in lines if line.startswith("=> ")]
        found.append(("".join(f"{line}\n" for line in lines[: -len(said)]), said))
    return found


@pytest.mark.parametrize(("text", "said"), blocks("bad_files.txt"))
def test_a_bad_file_gets_every_word_that_it_deserves(project: Project, text: str, said: list[str]) -> None:
    assert project.problems(text) == [f"kfw.yaml:{each}" for each in said]


@pytest.mark.parametrize(("line", "said"), blocks("bad_lines.txt"))
def test_a_bad_line_gets_every_word_that_it_deserves(project: Project, line: str, said: list[str]) -> None:
    assert project.problems(FORWARD + line) == [f"kfw.yaml:5:{each}" for each in said]


@pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML's own parser stops elsewhere")
@pytest.mark.parametrize(("text", "place", "fix"), SYNTAX)
def test_what_is_no_yaml_names_the_place_and_the_fix(
    project: Project, text: str, place: str, fix: str
) -> None:
    [problem] = project.problems(text)
    assert problem.startswith(f"kfw.yaml:{place}: this is not YAML: ")
    assert problem.endswith(f", {fix}")


@pytest.mark.parametrize("text", ["", "\n\n", " \n", "\ufeff"])
def test_an_empty_file_is_a_mistake(project: Project, text: str) -> None:
    assert project.problems(text)[0].startswith("kfw.yaml:1:1: the file is empty")


def test_there_are_more_than_a_hundred_bad_inputs() -> None:
    assert len(blocks("bad_files.txt")) + len(blocks("bad_lines.txt")) + len(SYNTAX) > 200


def test_every_problem_of_every_file_comes_at_once_in_the_order_of_the_layers(project: Project) -> None:
    project.user_file.write_text("daemon: {logLevel: loud}\ndefaults: {hold: -1}\n")
    extra = project.write("sub/extra.toml", "[uiOptions]\ntheme = 5\n")
    project.write("kfw.yaml", "portForwards:\n  a: {target: service/a, localPort: 70000}\nprofils: {}\n")
    with pytest.raises(ConfigError) as error:
        project.load(extra, flags={"method": "tunel"})
    assert [problem.split(": ", 1)[0] for problem in str(error.value).splitlines()] == [
        f"{project.user_file}:1:20",
        f"{project.user_file}:2:18",
        "kfw.yaml:2:37",
        "kfw.yaml:3:1",
        "sub/extra.toml:2:9",
        "--method",
    ]


def test_a_file_that_cannot_be_read_does_not_hide_the_mistakes_of_the_others(project: Project) -> None:
    project.user_file.write_text("a: 'x")
    problems = project.problems(
        "portForwards:\n  a: {localPort: 70000}\n  b: {localPort: 1}\n  c: {localPort: 1}\n"
    )
    assert [problem.split(" ")[0] for problem in problems] == [
        f"{project.user_file}:1:4:",
        "kfw.yaml:2:18:",
        "kfw.yaml:4:18:",
    ], "nothing is called missing: the unreadable file may have it"


@pytest.mark.parametrize("name", ["API", "a_b", "on", "''", "ä", "a" * 64, '"a\\tb"', "b"])
def test_a_wrong_name_hides_no_other_mistake_of_its_forward(project: Project, name: str) -> None:
    """Also one that is there twice. What is wrong line by line, and what is missing."""
    text = f"portForwards:\n  b: {{target: pod/x, localPort: 1}}\n  {name}:\n    localPort: 70000\n    tpye: web\n"
    said = project.problems(text)
    assert [each.split(" ")[0] for each in said if "has no target" not in each] == [
        "kfw.yaml:3:3:",
        "kfw.yaml:4:16:",
        "kfw.yaml:5:5:",
    ]
    assert ("has no target" in " ".join(said)) is (name != "b")  # of two, the first counts


def test_a_wrong_name_of_a_profile_hides_no_mistake_of_its_forwards(project: Project) -> None:
    text = "profiles:\n  DEV:\n    portForwards:\n      API: {target: '', localPort: 70000}\n"
    assert [each.split(" ")[0] for each in project.problems(text)] == [
        "kfw.yaml:2:3:",
        "kfw.yaml:4:7:",
        "kfw.yaml:4:21:",
        "kfw.yaml:4:36:",
    ]


def test_no_advice_is_given_that_would_be_a_mistake_again(project: Project) -> None:
    """Write X in quotes, and write X without quotes, are followed to the letter, and then there is no problem there."""
    for line, said in blocks("bad_lines.txt"):
        advice = re.search(r'write (".*") in quotes|write (\S+) without quotes', said[0])
        if advice:
            key = line.split(":")[0]
            project.write("kfw.yaml", f"{FORWARD}{key}: {advice[1] or advice[2]}\n")
            project.load()


def test_a_flag_is_checked_like_a_file(project: Project) -> None:
    project.write("kfw.yaml", FORWARD)
    assert project.problems(method="tunel", hold="soon", address="here") == [
        "--method: method is 'tunel', did you mean tunnel? "
        "known are auto, tunnel, nodeport, forwarder, socat, kubectl, kubefwd",
        "--hold: hold is 'soon', which is not a duration, write a time such as 500ms, 1m30s or a number of seconds",
        "--address: address is 'here', write an IP address of this machine, or localhost",
    ]


def test_A14_port_70000_type_foo_and_an_empty_target_each_give_a_named_error(project: Project) -> None:
    text = "portForwards:\n  a: {target: '', targetPort: 70000, localPort: 1, type: foo}\n"
    assert [problem.split(",")[0] for problem in project.problems(text)] == [
        "kfw.yaml:2:15: portForwards.a.target is empty",
        "kfw.yaml:2:31: portForwards.a.targetPort is 70000",
        "kfw.yaml:2:58: portForwards.a.type is 'foo'",
    ]
