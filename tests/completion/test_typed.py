"""Which values fit where the cursor is, on the real tree of commands; and what each shell sends and takes."""

from typing import Any

import pytest

from kfw.cli import ALIASES
from kfw.commands._group import COMMANDS
from kfw.completion.command_tree import FROM_FILES, made
from kfw.completion.shells import Suggestion, TabQuestion, answer, question_of, split
from kfw.completion.typed import NOTHING, Asked, asked, with_short_kind


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    return made()


def at(tree: dict[str, Any], line: str) -> Asked:
    question = question_of("lines", {"COMP_LINE": f"kfw {line}"})
    return asked(tree, question.words, question.incomplete, ALIASES)


@pytest.mark.parametrize(
    ("line", "kind", "typed"),
    [
        ("up ", "names", ""),
        ("up api w", "names", "w"),
        ("down ", "rows", ""),
        ("rm a", "rows", "a"),
        ("ls a", "rows", "a"),
        ("add svc/w", "addition", "svc/w"),
        ("add web svc/web 80", "addition", "80"),
        ("port-forward -n demo deploy/", "addition", "deploy/"),
        ("targets w", "targets", "w"),
        ("up --context de", "contexts", "de"),
        ("up --context=de", "contexts", "de"),
        ("down --context de", "row contexts", "de"),
        ("up api --context dev -n s", "namespaces", "s"),
        ("up --config ", "files", ""),
        ("config check ", "files", ""),
        ("doctor --report r", "files", "r"),
        ("run -- ", "files", ""),
        ("sandbox fault s", "faults", "s"),
        ("up --timeout ", "text", ""),
    ],
)
def test_the_kind_of_value_follows_from_the_words_before(
    tree: dict[str, Any], line: str, kind: str, typed: str
) -> None:
    found = at(tree, line)
    assert (found.kind, found.typed) == (kind, typed)


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("", {"up", "doctor", "completion"}),
        ("sandbox ", {"start", "fault"}),
        ("up --", {"--context", "--foreground", "--help"}),
        ("add --method ", {"auto", "tunnel"}),
        ("add --type ", {"web", "rest"}),
        ("wait --for ", {"active"}),
        ("completion ", {"bash", "zsh", "fish"}),
        ("sandbox fault silent ", {"on", "off"}),
    ],
)
def test_closed_sets_are_in_the_tree(tree: dict[str, Any], line: str, some: set[str]) -> None:
    assert some <= set(at(tree, line).kind)


@pytest.mark.parametrize("line", ["version ", "open api ", "config nonsense "])
def test_behind_the_last_argument_nothing_fits(tree: dict[str, Any], line: str) -> None:
    assert not at(tree, line).kind


def test_what_was_given_before_is_known(tree: dict[str, Any]) -> None:
    found = at(tree, "add -n demo --context=dev --next-port svc/web ")
    assert found.options == {"-n": "demo", "--context": "dev"}
    assert found.arguments == ("svc/web",)
    assert found.command == "add"
    assert at(tree, "nonsense ") == NOTHING


def test_every_command_is_in_the_tree_with_its_help(tree: dict[str, Any]) -> None:
    assert set(tree["commands"]) == set(COMMANDS)
    assert all(one["help"] for one in tree["commands"].values())
    assert set(COMMANDS) >= FROM_FILES


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", ["service/web", "deployment/web"]),
        ("svc/", ["svc/web"]),
        ("services/w", ["services/web"]),
        ("service/", ["service/web", "deployment/web"]),
        ("deploy/", ["deploy/web"]),
        ("nonsense/", ["service/web", "deployment/web"]),
    ],
)
def test_a_target_is_spelled_as_it_was_begun(typed: str, found: list[str]) -> None:
    short = {"service": ("svc", "services"), "deployment": ("deploy", "deployments")}
    assert with_short_kind(typed, ["service/web", "deployment/web"], short) == found


@pytest.mark.parametrize(
    ("how", "environ", "question"),
    [
        ("lines", {"COMP_LINE": "kfw add svc/w"}, TabQuestion(("add",), "svc/w")),
        ("lines", {"COMP_LINE": "kfw add "}, TabQuestion(("add",), "")),
        ("lines", {"COMP_LINE": "kfw up 'shop-"}, TabQuestion(("up",), "shop-")),
        ("lines", {}, TabQuestion((), "")),
        ("complete_bash", {"COMP_WORDS": "kfw\nup\na", "COMP_CWORD": "2"}, TabQuestion(("up",), "a")),
        ("complete_bash", {"COMP_WORDS": "kfw up a", "COMP_CWORD": "2"}, TabQuestion(("up",), "a")),
        ("complete_bash", {"COMP_WORDS": "kfw up ", "COMP_CWORD": "2"}, TabQuestion(("up",), "")),
        ("complete_zsh", {"_TYPER_COMPLETE_ARGS": "kfw up a"}, TabQuestion(("up",), "a")),
        ("complete_fish", {"_TYPER_COMPLETE_ARGS": "kfw up "}, TabQuestion(("up",), "")),
    ],
)
def test_each_shells_question_is_read(how: str, environ: dict[str, str], question: TabQuestion) -> None:
    assert question_of(how, environ) == question


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("complete_bash", "8080:80\na'b"),
        ("lines", "8080:80\thttp\na'b"),
        ("complete_fish", "8080:80\thttp\na'b"),
        ("complete_zsh", """_arguments '*: :(("8080\\\\:80":"http"\n"a''b"))'"""),
    ],
)
def test_each_shell_gets_its_own_form(how: str, text: str) -> None:
    assert answer(how, [Suggestion("8080:80", "http"), Suggestion("a'b")]) == text


@pytest.mark.parametrize("line", ["a b", "a 'b c' d", 'a "b', "a \\", "a # b", "a 'it''s", "", "  "])
def test_a_line_is_split_whatever_is_in_it(line: str) -> None:
    words = split(line)
    assert all(isinstance(word, str) for word in words)
    if line.count("'") + line.count('"') + line.count("\\") == 0:
        assert words == line.split()
