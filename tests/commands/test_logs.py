"""kfw logs: the last lines, the coming ones, and rotation."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kfw import cli
from kfw.commands.logs import coming_lines, last_lines

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def log(home: Path) -> Path:
    path = home / "state" / "kfw.log"
    path.parent.mkdir()
    return path


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_FR_CLI_06_the_last_lines_are_shown(log: Path, capsys: Captured) -> None:
    write(log, *(str(number) for number in range(30)))
    assert cli.run(["logs", "-n", "3"]) == 0
    assert capsys.readouterr().out == "27\n28\n29\n"


def test_FR_CLI_06_lines_of_one_forward(log: Path, capsys: Captured) -> None:
    write(
        log, "t INFO api: active", "t INFO api-2: active", "t INFO my-api: active", "t INFO db via api done"
    )
    assert cli.run(["logs", "api"]) == 0
    assert capsys.readouterr().out == "t INFO api: active\nt INFO db via api done\n"


def test_lines_from_before_the_rotation_are_found_too(log: Path) -> None:
    write(log.with_name("kfw.log.2"), "one", "two")
    write(log.with_name("kfw.log.1"), "three", "four")
    write(log, "five")
    assert last_lines(log, 4, bool) == ["two", "three", "four", "five"]
    assert last_lines(log, 0, bool) == []


def test_without_a_log_it_says_where_it_would_be(home: Path, capsys: Captured) -> None:
    assert cli.run(["logs"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert str(home / "state" / "kfw.log") in err


def test_bytes_that_are_no_text_are_shown_somehow(log: Path, capsys: Captured) -> None:
    log.write_bytes(b"caf\xe9\n")
    assert cli.run(["logs"]) == 0
    assert capsys.readouterr().out.startswith("caf")


def take(lines: Generator[str, None, None], count: int) -> list[str]:
    with closing(lines):
        return [next(lines) for _ in range(count)]


def test_FR_CLI_06_following_survives_rotation(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written happens while the reader pauses, so that no thread is needed."""

    def rotate() -> None:
        write(log, "last of the old file")
        log.rename(log.with_name("kfw.log.1"))

    steps: Iterator[Callable[[], object]] = iter(
        [
            lambda: write(log, "new"),
            rotate,
            lambda: write(log, "first of the new file"),
            lambda: log.write_text("half"),
            lambda: write(log, " a line"),
        ]
    )
    monkeypatch.setattr("time.sleep", lambda _: next(steps)())
    write(log, "old")
    assert take(coming_lines(log), 4) == [
        "new",
        "last of the old file",
        "first of the new file",
        "half a line",
    ]


def test_a_log_that_is_not_there_yet_is_followed_when_it_comes(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: write(log, "born"))
    assert take(coming_lines(log), 1) == ["born"]
