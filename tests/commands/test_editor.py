"""kfw config edit, with editors that are scripts: what they are told, and what is asked when they have made a mistake."""

from pathlib import Path

import pytest

from kfw.cli import run
from kfw.commands._editor import command_line, place_in
from tests.cli.terminal import on_a_terminal

GOOD = "portForwards:\n  api: {target: service/api, localPort: 1}\n"
BAD = "portForwards:\n  api: {target: service/api, localPort: 70000}\n"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _editor(folder: Path, *contents: str) -> str:
    """One that writes the first of these, when it is called again the next; and what it was told, a line for each call."""
    for number, content in enumerate(contents, 1):
        (folder / f"content-{number}").write_text(content)
    script = folder / "editor"
    script.write_text(
        '#!/bin/sh\necho "$@" >> calls\nfor file; do :; done\n'
        'cp "content-$(wc -l < calls | tr -d " ")" "$file"\n'
    )
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("vi", "vi +7 kfw.yaml"),
        ("/usr/bin/nvim -p", "/usr/bin/nvim -p +7 kfw.yaml"),
        ("nano", "nano +7 kfw.yaml"),
        ("emacs -nw", "emacs -nw +7 kfw.yaml"),
        ("code", "code --wait --goto kfw.yaml:7:3"),
        ("code -w", "code -w --goto kfw.yaml:7:3"),
        ("subl", "subl --wait kfw.yaml:7:3"),
        ("hx", "hx kfw.yaml:7:3"),
        ("ed", "ed kfw.yaml"),
    ],
)
def test_an_editor_is_told_the_line_in_its_own_way(words: str, told: str) -> None:
    assert " ".join(command_line(words.split(), Path("kfw.yaml"), 7, 3)) == told
    assert "7" not in " ".join(command_line(words.split(), Path("kfw.yaml"), 0, 0))


def test_the_line_is_that_of_the_first_mistake_in_this_file(work: Path) -> None:
    file = work / "kfw.yaml"
    problems = ["other.yaml:1:2: no", "kfw.yaml:7:3: no", "kfw.yaml:8:1: no"]
    assert place_in(problems, file) == (7, 3)
    assert place_in(problems[:1], file) == (0, 0)


def test_what_is_right_is_said_and_what_is_untouched(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "kfw.yaml").write_text(GOOD)
    monkeypatch.setenv("EDITOR", _editor(work, GOOD + "# more\n", GOOD + "# more\n"))
    assert run(["config", "edit"]) == 0
    assert "1 forward, no problems" in capsys.readouterr().err
    assert run(["config", "edit"]) == 0
    assert "kfw.yaml is unchanged" in capsys.readouterr().err


def test_a_mistake_without_a_terminal_is_said_and_the_code_is_2(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "kfw.yaml").write_text(GOOD)
    monkeypatch.setenv("VISUAL", _editor(work, BAD))
    monkeypatch.setenv("EDITOR", "false")
    assert run(["config", "edit"]) == 2
    assert "kfw.yaml:2:41: portForwards.api.localPort is 70000" in capsys.readouterr().err
    assert (work / "kfw.yaml").read_text() == BAD


@pytest.mark.parametrize(("keys", "code", "calls"), [(b"\n", 0, 2), (b"n\n", 2, 1)])
def test_on_a_terminal_it_can_be_opened_again_at_the_line(
    work: Path, keys: bytes, code: int, calls: int
) -> None:
    (work / "kfw.yaml").write_text(GOOD)
    env = {"EDITOR": _editor(work, BAD, GOOD + "# corrected\n"), "KFW_HOME": str(work / "home")}
    ended, output = on_a_terminal(
        ["config", "edit"], env=env, cwd=work, interrupt_at="open it again at line 2?", keys=keys
    )
    assert (ended, "localPort is 70000" in output) == (code, True)
    told = (work / "calls").read_text().splitlines()
    assert len(told) == calls
    assert told[1:] == [f"+2 {work}/kfw.yaml"][: calls - 1]


@pytest.mark.parametrize(
    ("editor", "why"),
    [
        ("no-such-editor", "command not found"),
        ("false", "false ended with 1"),
        ("'", "cannot be run"),
        ("  ", "cannot find an editor"),
    ],
)
def test_an_editor_that_cannot_be_run_is_named(
    work: Path, editor: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "kfw.yaml").write_text(GOOD)
    monkeypatch.setenv("EDITOR", editor)
    assert run(["config", "edit"]) != 0
    assert why in capsys.readouterr().err


def test_without_a_file_it_says_what_makes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "edit"]) == 2
    assert "`kfw init` writes one" in capsys.readouterr().err
