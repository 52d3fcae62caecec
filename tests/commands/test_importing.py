"""kfw config import: what is shown, written, and said, and with which exit code."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.cli import run
from kfw.config.read import LARGEST

COMPOSE = "services:\n  web: {image: x, ports: ['8080:80', '53:53/udp']}\n"
FROM_IT = "  web:\n    target: service/web\n    targetPort: 80\n    localPort: 8080\n"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    umask = os.umask(0o022)
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "home"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "compose.yaml").write_text(COMPOSE)
    yield folder
    os.umask(umask)


def test_it_is_shown_and_what_is_left_out_is_said(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "import", "compose.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out.endswith(f"portForwards:\n{FROM_IT}")
    assert "# Made by `kfw config import` from compose.yaml, a compose file." in out
    assert "left out: line 2: port 53 of 'web' is UDP" in err
    assert not (work / "kfw.yaml").exists()


def test_the_standard_input_can_be_any_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, more in ((COMPOSE, []), ("k8s_resource('web', port_forwards='8080:80')", ["--from", "tilt"])):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert run(["config", "import", "-", *more]) == 0
        assert "localPort: 8080" in capsys.readouterr().out


def test_written_it_is_the_projects_file_or_an_addition_to_it(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "import", "compose.yaml", "--write"]) == 0
    assert "wrote kfw.yaml" in capsys.readouterr().err
    assert run(["config", "check"]) == 0
    mine = "# mine\nportForwards:\n  api:\n    target: pod/api\n    localPort: 1\n"
    (work / "kfw.yaml").write_text(mine)
    assert run(["config", "import", "compose.yaml", "--write"]) == 0
    assert (work / "kfw.yaml").read_text() == mine + FROM_IT
    capsys.readouterr()
    assert run(["config", "import", "compose.yaml", "--write"]) == 2
    assert "'web' is in it already" in capsys.readouterr().err
    assert (work / "kfw.yaml").read_text() == mine + FROM_IT


def test_profiles_are_not_added_to_a_file_that_is_there(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "kfw.yaml").write_text("portForwards:\n")
    (work / "daemon.yaml").write_text("profiles: {dev: {namespaces: [shop]}}\n")
    assert run(["config", "import", "daemon.yaml", "--write"]) == 2
    assert "profiles cannot be added to it" in capsys.readouterr().err
    assert (work / "kfw.yaml").read_text() == "portForwards:\n"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ([], 2, "the file to import is missing"),
        (["nowhere.yaml"], 2, "nowhere.yaml:1:1: cannot be read"),
        (["compose.yaml", "--from", "helm"], 2, "kfw cannot import 'helm'"),
        (["compose.yaml", "--from", "k9s"], 2, "k9s does not keep its forwards in a file"),
        (["compose.yaml", "--from", "skaffold"], 1, "found nothing in it that kfw can forward"),
        (["unknown.yaml"], 2, "cannot tell what kind of file unknown.yaml is"),
        (["broken.yaml"], 2, "broken.yaml:2:1: this is not YAML"),
        (["large.yaml"], 2, "is larger than"),
        (["."], 2, "this is a directory"),
    ],
)
def test_what_cannot_be_imported_says_why(
    work: Path, words: list[str], code: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "unknown.yaml").write_text("a: 1\n")
    (work / "broken.yaml").write_text("a: [\n")
    (work / "large.yaml").write_text(" " * (LARGEST + 1))
    assert run(["config", "import", *words]) == code
    assert why in capsys.readouterr().err


def test_a_foreign_file_as_a_config_is_named_with_what_to_type(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "Tiltfile").write_text("k8s_resource('web')\n")
    for file, words in (("compose.yaml", "a compose file"), ("Tiltfile", "a Tiltfile")):
        assert run(["up", "--config", file]) == 2
        said = capsys.readouterr().err
        assert f"{file}:1:1: this is {words}, make a kfw.yaml from it: kfw config import {file}" in said
        assert "unknown key" not in said
