"""kfw update, and what `kfw status` and `kfw up` do about newer versions."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw import __version__, cli
from kfw.commands import _output as output
from kfw.commands.update import begin_check
from kfw.system import installation, newer_version
from kfw.system.installation import InstallationTraces
from kfw.system.update_notice import notice, notice_file
from tests.client.fake_daemon import FakeDaemon, row
from tests.system.index_server import PackageIndex, serving_index

Captured = pytest.CaptureFixture[str]
PIPX = InstallationTraces(marks=frozenset({"pipx_metadata.json"}))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PackageIndex]:
    """The one of this machine, and kfw as pipx installs it."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "CI", "KFW_NO_UPDATE_CHECK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(installation, "this_installation", lambda: PIPX)
    monkeypatch.setattr(newer_version, "TIMEOUT", 300.0)
    with serving_index() as made:
        monkeypatch.setenv("UV_DEFAULT_INDEX", made.url)
        yield made


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda stream: True)


def checked() -> None:
    begin_check(wanted=True)
    for thread in threading.enumerate():
        if thread.name == "update-check":
            thread.join(300)


def test_A21_a_newer_version_comes_with_the_line_that_installs_it(
    home: Path, index: PackageIndex, capsys: Captured
) -> None:
    index.has("9.0.0")
    assert cli.run(["update"]) == 0
    assert capsys.readouterr().out == f"kfw 9.0.0 is available, this is {__version__}\npipx upgrade kfw-cli\n"
    assert cli.run(["update", "--check", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "current": __version__,
        "latest": "9.0.0",
        "newer": True,
        "index": index.url,
        "installedBy": "pipx",
        "command": "pipx upgrade kfw-cli",
    }


@pytest.mark.parametrize("versions", [[__version__], ["0.0.1"], ["9.0rc1"], []])
def test_A21_an_older_an_equal_and_a_preview_are_none(
    home: Path, index: PackageIndex, versions: list[str], capsys: Captured
) -> None:
    index.has(*versions)
    assert cli.run(["update", "--check"]) == 0
    assert capsys.readouterr().out == f"kfw {__version__} is the newest\n"


def test_A21_up_asks_once_a_day_and_status_shows_what_it_heard(
    daemon: FakeDaemon, index: PackageIndex, at_a_terminal: None, capsys: Captured
) -> None:
    daemon.forwards = [row("api")]
    index.has("9.0.0")
    assert notice(os.environ) == ""
    checked()
    checked()
    assert len(index.asked) == 1
    for _ in range(2):
        assert cli.run(["status"]) == 0
        assert (
            f"kfw 9.0.0 is available, this is {__version__}: pipx upgrade kfw-cli" in capsys.readouterr().err
        )
    assert cli.run(["status", "--json"]) == 0
    assert capsys.readouterr().err == ""
    assert len(index.asked) == 1


def test_A21_a_checkout_never_nags(
    home: Path, index: PackageIndex, at_a_terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "this_installation", lambda: InstallationTraces(installed=False))
    index.has("9.0.0")
    checked()
    assert index.asked == []
    assert notice(os.environ) == ""


@pytest.mark.parametrize("variable", ["CI", "KFW_NO_UPDATE_CHECK"])
def test_nothing_is_asked_and_shown_where_it_is_switched_off(
    home: Path, index: PackageIndex, at_a_terminal: None, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    index.has("9.0.0")
    checked()
    assert notice(os.environ)
    monkeypatch.setenv(variable, "1")
    assert notice(os.environ) == ""
    checked()
    assert len(index.asked) == 1
    monkeypatch.delenv(variable)
    assert notice(os.environ) == ""  # it was forgotten
    begin_check(wanted=False)
    assert not Path(notice_file()).exists()


def test_nothing_is_asked_without_a_terminal(home: Path, index: PackageIndex) -> None:
    checked()
    assert index.asked == []


@pytest.mark.parametrize("content", ["", "x", "1 2", "\x00", "5 9.9 10.0\npipx\n", f"5 {__version__} -\n\n"])
def test_what_is_remembered_otherwise_says_nothing(home: Path, content: str) -> None:
    file = Path(notice_file())
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert notice(os.environ) == ""


def test_a_failing_index_is_an_error_of_update_and_none_of_up(
    home: Path, index: PackageIndex, at_a_terminal: None, capsys: Captured
) -> None:
    index.status = 500
    assert cli.run(["update"]) == 1
    assert "answers with 500" in capsys.readouterr().err
    checked()
    assert capsys.readouterr() == ("", "")
