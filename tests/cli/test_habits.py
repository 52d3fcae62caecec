"""What people type who know kubectl, docker or git."""

import json
from pathlib import Path

import pytest

from kfw import __version__, cli
from kfw.printable import encodable
from tests.cli.running import kfw
from tests.cli.terminal import on_a_terminal
from tests.client.fake_daemon import FakeDaemon, row

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("word", [word for word, meant in cli.ALIASES.items() if meant == "status"])
def test_a_list_is_the_status(daemon: FakeDaemon, word: str, capsys: Captured) -> None:
    daemon.forwards = [row("api"), row("db")]
    assert cli.run([word, "db"]) == cli.run(["status", "db"]) == 0
    said = capsys.readouterr().out
    assert said[: len(said) // 2] == said[len(said) // 2 :]


@pytest.mark.parametrize("word", ["rm", "delete"])
def test_rm_removes(daemon: FakeDaemon, word: str) -> None:
    daemon.forwards = [row("api")]
    assert cli.run([word, "api"]) == 0
    assert daemon.body_of("POST /v1/remove") == {"names": ["api"]}


@pytest.mark.parametrize(
    ("argv", "begin"),
    [
        (["help"], "Usage: kfw "),
        (["help", "up"], "Usage: kfw up "),
        (["help", "ls"], "Usage: kfw status "),
        (["-v"], f"kfw {__version__}"),
    ],
)
def test_help_and_version(home: Path, argv: list[str], begin: str, capsys: Captured) -> None:
    assert cli.run(argv) == 0
    assert capsys.readouterr().out.startswith(begin)


def test_every_alias_is_in_the_help(capsys: Captured) -> None:
    cli.run(["--help"])
    also = capsys.readouterr().out.partition("Also understood")[2]
    assert not [word for word in cli.ALIASES if word not in also]


@pytest.mark.parametrize(
    "form", [["-o", "json"], ["-ojson"], ["--output=json"], ["--output", "json"], ["--json"]]
)
def test_o_json_is_json(daemon: FakeDaemon, form: list[str], capsys: Captured) -> None:
    daemon.forwards = [row("api")]
    assert cli.run(["get", *form]) == 0
    assert json.loads(capsys.readouterr().out)["forwards"][0]["name"] == "api"


def test_o_name_wide_and_yaml(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.forwards = [row("api"), row("db", context="prod")]
    assert cli.run(["ls", "-o", "name"]) == 0
    assert capsys.readouterr().out == "api\ndb\n"
    assert cli.run(["ls", "-o", "wide"]) == 0
    db = capsys.readouterr().out.splitlines()[2].split()
    assert db[-4:] == ["nodeport", "db-1", "prod", "http://db.shop.localhost:8080"]
    assert cli.run(["ls", "-o", "yaml"]) == 0
    assert "- name: api" in capsys.readouterr().out
    assert cli.run(["ls", "-o", "yml"]) == 2


def test_what_is_behind_the_dashes_is_not_ours() -> None:
    assert cli.usual_words(["run", "-o", "json", "--", "x", "-o", "json"]) == [
        *("run", "--json", "--", "x", "-o", "json")
    ]
    assert cli.usual_words(["port-forward", "-o", "json"]) == ["port-forward", "-o", "json"]


def test_kfw_alone_shows_what_is_up(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.forwards = [row("api")]
    assert cli.run([]) == 0
    assert capsys.readouterr().out.startswith("NAME")


def test_kfw_alone_says_how_to_begin(home: Path, capsys: Captured) -> None:
    assert cli.run([]) == 0
    assert "kfw init" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [(["pu"], "`kfw up`?"), (["start", "web"], "`kfw up web` starts forwards"), (["lst"], "`kfw")],
)
def test_what_was_probably_meant_is_said(home: Path, argv: list[str], words: str, capsys: Captured) -> None:
    assert cli.run(argv) == 2
    assert words in capsys.readouterr().err


def test_symbols_are_ascii_where_the_encoding_has_no_others(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api"), row("db", "suspended")]
    done = kfw("status", env={"PYTHONIOENCODING": "ascii"})
    assert done.stdout.isascii()
    assert "* active" in done.stdout
    assert "= suspended" in done.stdout


def test_json_is_the_same_value_in_every_encoding(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api", message="é …")]
    for env in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}):
        assert json.loads(kfw("status", "--json", env=env).stdout)["forwards"][0]["message"] == "é …"


def test_whoever_says_that_the_locale_is_C_has_no_other_signs(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api")]
    nothing = {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""}
    for env, sign in (
        ({"LC_ALL": "C"}, "*"),
        ({"LANG": "POSIX"}, "*"),
        ({"LANG": "C.UTF-8"}, "●"),
        ({}, "●"),
    ):
        assert f"{sign} active" in kfw("status", env={**nothing, **env}).stdout


def test_foreign_letters_are_escaped_where_the_encoding_lacks_them() -> None:
    assert encodable("● é", "ascii") == "* \\xe9"
    assert encodable("● é", "utf-8") == "● é"
    assert encodable("é", "latin-1") == "é"


@pytest.mark.parametrize("status", ["error", "suspended", "starting"])
def test_open_says_why_not(daemon: FakeDaemon, status: str, capsys: Captured) -> None:
    daemon.forwards = [row("api", status, message="why")]
    assert cli.run(["open", "api"]) != 0
    assert f"cannot open api: it is {status}: why" in capsys.readouterr().err


def test_open_prints(daemon: FakeDaemon, capsys: Captured) -> None:
    daemon.forwards = [row("api")]
    assert cli.run(["open", "api", "--print"]) == 0
    assert capsys.readouterr().out == "http://localhost:8080\n"


def test_open_calls_the_browser(daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.forwards = [row("api"), row("db", url=None)]
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o755)
    done = kfw("open", "api", env={"BROWSER": f"{browser} %s"})
    assert (done.returncode, seen.read_text()) == (0, "http://localhost:8080\n")
    assert kfw("open", "db", env={"BROWSER": str(browser)}).returncode == 2


def test_open_copies_by_the_terminal_where_there_is_no_clipboard(daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.forwards = [row("api")]
    code, output = on_a_terminal(["open", "api", "--copy"], env={"PATH": str(tmp_path)})
    assert code == 0
    assert "\x1b]52;c;aHR0cDovL2xvY2FsaG9zdDo4MDgw\x07" in output
