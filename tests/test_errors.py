import re
from pathlib import Path

import kfw
from kfw.errors import describe
from kfw.model import Problem, Reason
from kfw.secret import Secret


def test_a_foreign_exception_is_told_by_its_type_and_its_words_without_secrets() -> None:
    secret = Secret("S3CR3T-token")
    foreign = ValueError(f"Illegal header value b'Bearer {secret.reveal()}\\n'\nand more")

    assert describe(foreign) == "ValueError: Illegal header value b'Bearer ***\\n' and more"
    assert describe(KeyError()) == "KeyError"
    assert len(describe(ValueError("x" * 10_000))) < 400


def test_a_problem_holds_no_secret_whoever_said_it() -> None:
    secret = Secret("S3CR3T-token")
    problem = Problem(
        Reason.INTERNAL, f"pod web-1: cannot start with --token={secret.reveal()}", "https://a:b@c"
    )

    assert (problem.message, problem.fix) == ("pod web-1: cannot start with --token=***", "https://***@c")


def test_no_text_for_people_holds_the_repr_of_an_exception() -> None:
    """It quotes what the exception was about: a header with its token. `describe` is for that."""
    shown = re.compile(r"\{(?:self\.)?_?(?:e|err|error|exc|exception|defect|problem|failure|cause)!r")
    package = Path(kfw.__file__).parent
    found = [path.name for path in package.rglob("*.py") if shown.search(path.read_text())]

    assert found == []
