"""A crash report tells what happened, and nothing that was secret."""

from pathlib import Path

import pytest

from kfw.commands._crash import command_line, write_report
from kfw.secret import Secret

MARK = "CANARY-of-the-crash"


@pytest.mark.parametrize(
    "argv",
    [
        ["port-forward", "--token", MARK, "svc/web", "80"],
        ["port-forward", f"--token={MARK}", "svc/web", "80"],
        ["port-forward", "--password", MARK, "svc/web", "80"],
        ["port-forward", "svc/web", "80", "--token", f"-{MARK} with blanks"],
        ["port-forward", "-s", f"https://joe:{MARK}@host", "svc/web", "80"],
        ["port-forward", "-s", f"https://host/?token={MARK}", "svc/web", "80"],
    ],
)
def test_an_argument_that_is_secret_is_not_in_the_report(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFW_HOME", str(tmp_path))

    text = write_report(ValueError("it broke"), argv).read_text()

    assert MARK not in text
    assert "svc/web" in text and " 80" in text
    assert "ValueError: it broke" in text


def test_what_an_exception_quotes_is_not_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFW_HOME", str(tmp_path))
    token = Secret(MARK)
    try:
        try:
            raise KeyError(f"b'Bearer {token.reveal()}\\n'")
        except KeyError as error:
            raise ValueError(f"Illegal header value {token.reveal()!r}") from error
    except ValueError as error:
        text = write_report(error, ["up"]).read_text()

    assert MARK not in text
    assert "Illegal header value" in text
    assert "kfw up" in text


def test_an_ordinary_command_line_stays_as_it_is() -> None:
    argv = ["port-forward", "-n", "shop", "svc/web", "8080:80", "--context=dev", "--address", "0.0.0.0"]

    assert command_line(argv) == " ".join(argv)
