"""Which index is asked, which version is the newest of it, and what is remembered."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw import __version__
from kfw.errors import KfwError
from kfw.system import newer_version, update_notice
from kfw.system.installation import DISTRIBUTION, InstallationTraces
from kfw.system.newer_version import (
    check,
    index_of,
    is_newer,
    newest,
    newest_of,
    remember,
    upgrade_line,
)
from kfw.system.update_notice import is_due, is_switched_off, notice_file
from tests.system.index_server import PackageIndex, serving_index

PYTHON = (3, 11)


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with serving_index() as made:
        yield made


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "kfw"))
    monkeypatch.setattr(newer_version, "TIMEOUT", 300.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def asked(index: PackageIndex, url: str = "") -> str:
    return newest(index_of({"HOME": "/none"}, url or index.url), PYTHON)


@pytest.mark.parametrize(
    ("latest", "current", "newer"),
    [
        ("0.2.0", "0.1.0", True),
        ("0.10.0", "0.9.9", True),
        ("1.0", "1.0.0", False),
        ("0.1.0", "0.1.0", False),
        ("0.1.0", "0.2.0", False),
        ("1.0rc1", "0.1.0", False),
        ("1.0.dev1", "0.1.0", False),
        ("9.9", "0.1.0.dev3", False),  # of a checkout
        ("9.9", "unknown", False),
        ("", "0.1.0", False),
        ("v1.2", "1.1", True),
    ],
)
def test_A21_newer_is_a_higher_number_that_is_no_preview(latest: str, current: str, newer: bool) -> None:
    assert is_newer(latest, current) is newer


def test_A21_what_is_withdrawn_a_preview_or_for_another_python_does_not_count(index: PackageIndex) -> None:
    index.has("0.1.0", "0.3.0", "0.2.0", "1.0rc1", "2.0.dev1")
    index.has("0.4.0", yanked="it loses data")
    index.has("0.5.0", **{"requires-python": ">=3.14"})
    index.files += [{"filename": "other-9.0.tar.gz"}, {"filename": f"{DISTRIBUTION}-0.3.1.tar.gz"}]
    assert asked(index) == "0.3.1"
    assert newest_of(index.files, (3, 14)) == "0.5.0"
    assert index.asked[0]["accept"] == "application/vnd.pypi.simple.v1+json"


def test_an_index_that_does_not_have_kfw_has_nothing_newer(index: PackageIndex) -> None:
    index.status = 404
    assert asked(index) == ""


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"files": 7}', b'{"files": [{}]}', b'{"files": ["x"]}']
)
def test_an_index_that_does_not_speak_json_is_said_to(index: PackageIndex, body: bytes) -> None:
    index.body = body
    with pytest.raises(KfwError, match="does not answer in JSON"):
        asked(index)


def test_a_login_is_sent_as_a_header_and_shown_nowhere(index: PackageIndex) -> None:
    index.status = 500
    with pytest.raises(KfwError) as raised:
        asked(index, index.url.replace("//", "//ada:gehe%40im@"))
    assert "gehe" not in raised.value.what
    assert index.asked[0]["authorization"] == "Basic YWRhOmdlaGVAaW0="


def test_a_proxy_of_the_environment_is_obeyed(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.status = 404
    monkeypatch.setenv("http_proxy", index.url.removesuffix("/simple"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert asked(index, "http://nowhere.invalid/simple") == ""
    assert index.asked[0]["host"] == "nowhere.invalid"


# -- which index


def test_the_index_is_what_was_given_else_uvs_else_pips(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://pip.invalid/simple/\n")
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(file)}
    assert index_of(environ) == ("https://pip.invalid/simple", "", str(file))
    environ["PIP_INDEX_URL"] = "https://variable.invalid/simple"
    assert index_of(environ).why == "PIP_INDEX_URL"
    environ["UV_INDEX_URL"] = "https://uv.invalid/simple"
    assert index_of(environ).why == "UV_INDEX_URL"
    assert index_of(environ, "https://given.invalid/x").url == "https://given.invalid/x"


def test_without_an_index_it_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(newer_version, "_pip_files", lambda environ: [])
    monkeypatch.setitem(sys.modules, "pip._internal.models.index", None)
    with pytest.raises(KfwError, match="no package index is known"):
        index_of({"HOME": str(tmp_path)})


@pytest.mark.parametrize("url", ["file:///x", "x", "https://", "http://[", "https://h:x/"])
def test_what_is_no_index_is_refused(url: str) -> None:
    with pytest.raises(KfwError, match="the package index of --index"):
        index_of({}, url)


# -- what is remembered


def test_A21_a_question_is_asked_once_a_day_and_of_each_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_due(1000)
    remember(1000, "", "")
    assert not is_due(1001)
    remember(1000.9, "", "")  # a time in the future would be a clock that was put back
    assert not is_due(1000.9)
    assert not is_due(1000 + 86399)
    assert is_due(1000 + 86400)
    assert is_due(999)  # the clock was put back
    monkeypatch.setattr(update_notice, "__version__", "9.9")
    assert is_due(1001)


def test_A21_what_was_found_is_written_with_the_line_that_installs_it(index: PackageIndex) -> None:
    index.has("9.0")
    assert check(index_of({}, index.url), "pipx upgrade x", lambda: 5.0) == "9.0"
    assert Path(notice_file()).read_text() == f"5 {__version__} 9.0\npipx upgrade x\n"
    index.files.clear()
    index.has(__version__)
    assert check(index_of({}, index.url), "pipx upgrade x", lambda: 6.0) == ""
    assert Path(notice_file()).read_text().startswith(f"6 {__version__} -\n")


@pytest.mark.parametrize(
    ("traces", "line"),
    [
        (InstallationTraces(marks=frozenset({"pipx_metadata.json"})), f"pipx upgrade {DISTRIBUTION}"),
        (InstallationTraces(marks=frozenset({"uv-receipt.toml"})), f"uv tool upgrade {DISTRIBUTION}"),
        (InstallationTraces(installer="uv\n"), f"uv pip install --python /py --upgrade {DISTRIBUTION}"),
        (InstallationTraces(installer="pip\n"), f"/py -m pip install --upgrade {DISTRIBUTION}"),
        (InstallationTraces("/opt/homebrew/Cellar/kfw/1.0/libexec/kfw"), "brew upgrade kfw"),
        (InstallationTraces("/nix/store/x/kfw"), "nix profile upgrade kfw"),
        (InstallationTraces("/src/kfw", installed=False), "git -C /src pull"),
        (
            InstallationTraces(installer="dpkg\n"),
            f"sudo apt-get update && sudo apt-get install --only-upgrade {DISTRIBUTION}",
        ),
    ],
)
def test_A21_the_line_is_that_of_how_it_was_installed(traces: InstallationTraces, line: str) -> None:
    assert upgrade_line(traces, "/py") == line


def test_a_variable_or_ci_switches_it_off() -> None:
    assert is_switched_off({"KFW_NO_UPDATE_CHECK": "1"})
    assert is_switched_off({"CI": "true"})
    assert not is_switched_off({"CI": "false"})
    assert not is_switched_off({"HOME": os.sep})
