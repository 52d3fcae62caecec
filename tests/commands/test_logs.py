"""kfw logs: the last lines, the coming ones, and rotation."""

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kfw import cli
from kfw.commands.logs import coming_lines, parsed, recent
from kfw.system.log_lines import last_lines

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


SAID = "2026-11-21T07:40:12.123Z WARNING api: socat stderr: E connect: refused"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (SAID, ("2026-11-21T07:40:12.123Z", "WARNING", "api", "socat", "stderr", "E connect: refused")),
        (
            "2026-11-21T07:40:12.123Z INFO    api: active via nodeport",
            ("2026-11-21T07:40:12.123Z", "INFO", "api", None, None, "active via nodeport"),
        ),
        (
            "2026-11-21T07:40:12.123Z INFO    the daemon stops: SIGTERM",
            ("2026-11-21T07:40:12.123Z", "INFO", None, None, None, "the daemon stops: SIGTERM"),
        ),
        ("    Traceback: of it", (None, None, None, None, None, "    Traceback: of it")),
        ("caf\ufffd", (None, None, None, None, None, "caf\ufffd")),
        ("", (None, None, None, None, None, "")),
    ],
)
def test_a_line_is_told_apart_into_time_level_forward_child_and_words(
    line: str, expected: tuple[str | None, ...]
) -> None:
    found = parsed(line)
    assert found.pop("project") is None
    assert tuple(found.values()) == expected
    assert list(found) == ["time", "level", "forward", "tool", "stream", "message"]


@pytest.mark.parametrize(
    ("said", "project", "forward"),
    [
        ("shop/api: active", "shop", "api"),
        ("work/shop/api: socat stderr: E connect: refused", "work/shop", "api"),
        ("/p/kfw.yaml/api: active", "/p/kfw.yaml", "api"),
        ("api: GET /v1/x: no", None, "api"),
        ("read the configs again: started: shop/api", None, None),
    ],
)
def test_a_forward_of_two_projects_with_one_name_has_its_project_apart(
    said: str, project: str | None, forward: str | None
) -> None:
    found = parsed(f"2026-11-21T08:00:00.000Z INFO    {said}")
    assert (found["project"], found["forward"]) == (project, forward)


def test_FR_MON_01_logs_are_one_json_value(log: Path, capsys: Captured) -> None:
    write(log, SAID, "    more", SAID.replace("api:", "db:"))
    assert cli.run(["logs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["forward"] for each in found] == ["api", None, "db"]
    assert cli.run(["logs", "--json", "nobody"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_FR_MON_01_a_screen_has_the_time_of_this_machine_and_says_which(
    log: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        write(log, SAID, "2026-13-41T07:40:12.123Z INFO no date")
        assert cli.run(["logs"]) == 0
        out = capsys.readouterr().out.splitlines()
        assert out[0] == "2026-11-21 13:10:12.123+05:30 WARNING api: socat stderr: E connect: refused"
        assert out[1] == "2026-13-41T07:40:12.123Z INFO no date"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_since_takes_what_is_new_with_the_lines_that_go_on_from_it() -> None:
    old, new = "2026-11-21T08:00:00.000Z INFO    api: a", "2026-11-21T08:00:01.500Z INFO    api: b"
    at = datetime(2026, 11, 21, 8, 0, 1, tzinfo=UTC).timestamp()
    keep = recent(at, bool)
    assert [line for line in (old, "  more of a", new, "  more of b") if keep(line)] == [new, "  more of b"]
    about_db = recent(at, lambda line: "db" in line)
    assert not any(map(about_db, (old, new)))
