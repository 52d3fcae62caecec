"""kfw config check, show and schema, and kfw init: the whole command line, in this process."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kfw.cli import run
from kfw.commands.init import template
from kfw.config.layers import EMBEDDED, SCHEMA
from tests.config.fakes import DATA

API = "portForwards:\n  api: {target: service/api, targetPort: 80, namespace: shop}\n"
BAD = "portForwards:\n  api: {tagret: service/api, localPort: 70000}\n"


class Shell:
    """kfw in a folder of its own: what it answers, and what it says on both streams."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.out = self.err = ""

    def kfw(self, *argv: str) -> int:
        self._capsys.readouterr()
        code = run(argv)
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *argv: str) -> Any:
        """Exactly one JSON value on stdout."""
        self.kfw(*argv, "--json")
        return json.loads(self.out)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    umask = os.umask(0o022)
    monkeypatch.setenv("KFW_HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield Shell(work, capsys)
    os.umask(umask)


def test_check_says_what_was_read(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text(API + "  web: {target: pod/web, localPort: 1, disabled: true}\n")
    assert shell.kfw("config", "check") == 0
    assert shell.out == f"read {shell.folder}/kfw.yaml\n2 forwards, 1 disabled, no problems\n"
    assert shell.err == ""


def test_check_without_any_file_says_so(shell: Shell) -> None:
    assert shell.kfw("config", "check") == 0
    assert shell.out == "found no config file, `kfw init` writes one\n0 forwards, no problems\n"


def test_check_prints_every_problem_with_its_place_and_exits_2(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text(BAD)
    assert shell.kfw("config", "check") == 2
    assert shell.out == ""
    assert shell.err.splitlines()[1:] == [
        "kfw.yaml:2:9: unknown key 'tagret' in portForwards.api, did you mean target?",
        "kfw.yaml:2:41: portForwards.api.localPort is 70000, write a port from 0 to 65535",
    ]


NOT_DONE = API + "monitoringInterval: 1s\ndaemon: {logFile: kfw.log}\n"


def test_check_tells_what_kfw_does_not_do_yet_and_this_is_no_mistake(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text(NOT_DONE)
    said = [
        "kfw.yaml:3:21: monitoringInterval has no effect: kfw watches the cluster and does not poll",
        "kfw.yaml:4:19: daemon.logFile has no effect: KFW_HOME moves the log",
    ]
    assert shell.kfw("config", "check") == 0
    assert shell.err.splitlines() == [f"kfw: {each}" for each in said]
    assert shell.json("config", "check")["warnings"] == said
    assert shell.err == ""


def test_check_of_a_file_reads_it_alone(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text(BAD)
    (shell.folder / "other.yaml").write_text(API)
    assert shell.kfw("config", "check", "other.yaml") == 0
    assert shell.out == f"read {shell.folder}/other.yaml\n1 forward, no problems\n"
    assert shell.kfw("config", "check", "other.yaml", "nowhere.yaml") == 2
    assert "nowhere.yaml:1:1: cannot be read" in shell.err


def test_check_says_that_figures_are_collected_by_another_command(shell: Shell) -> None:
    text = (DATA / "seed_000_collector.yaml").read_text()
    (shell.folder / "kfw.yaml").write_text(text)
    assert shell.kfw("config", "check") == 0
    assert shell.out.endswith(
        "figures are collected by `kfw collect`, once or `--every 24h`; `kfw up` does not start it\n"
    )
    (shell.folder / "kfw.yaml").write_text(text.replace("enabled: true", "enabled: false"))
    assert shell.json("config", "check")["notes"] == []


def test_check_in_json_is_one_value_whether_there_are_problems_or_not(shell: Shell) -> None:
    file = shell.folder / "kfw.yaml"
    file.write_text(API)
    assert shell.json("config", "check") == {
        "problems": [],
        "warnings": [],
        "notes": [],
        "files": [str(file)],
        "forwards": 1,
    }
    file.write_text(BAD)
    assert len(shell.json("config", "check")["problems"]) == 2
    assert shell.kfw("config", "check", "--json") == 2


def test_check_says_warnings_without_failing(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text(API + "defaults: {kubeconfig: gone}\n")
    assert shell.kfw("config", "check") == 0
    assert shell.err == f"kfw: kfw.yaml:3:24: the kubeconfig {shell.folder}/gone does not exist, create it\n"


def test_show_is_a_config_file_of_all_that_holds(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text(API)
    assert shell.kfw("config", "show") == 0
    shown = yaml.safe_load(shell.out)
    assert shown["portForwards"]["api"]["localPort"] == 8080
    assert shown["portForwards"]["api"]["hold"] == "30s"
    (shell.folder / "again.yaml").write_text(shell.out)
    assert shell.json("config", "show", "--config", "again.yaml") == shown


def test_show_origin_says_where_each_value_came_from(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text(API)
    (shell.folder / "more.yaml").write_text("portForwards: {api: {hold: 5s}}\n")
    assert shell.kfw("config", "show", "--origin", "-f", "more.yaml") == 0
    by_key = {line.split(":")[0].strip(): line for line in shell.out.splitlines()[:12]}
    assert by_key["namespace"].endswith("# project kfw.yaml:2")
    assert by_key["hold"].endswith("# config more.yaml:1")
    assert "# embedded defaults.yaml:" in by_key["method"]


def test_show_in_json_is_the_settings_and_with_origin_both(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text(API)
    settings = shell.json("config", "show")
    assert settings["portForwards"]["api"]["target"] == "service/api"
    both = shell.json("config", "show", "--origin")
    assert both["settings"] == settings
    assert both["origin"]["portForwards.api.target"] == "project kfw.yaml:2"


def test_show_of_a_bad_file_is_its_problems(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text(BAD)
    assert shell.kfw("config", "show") == 2
    assert shell.out == ""
    assert "did you mean target?" in shell.err


def test_schema_prints_the_committed_one(shell: Shell) -> None:
    assert shell.kfw("config", "schema") == 0
    assert json.loads(shell.out) == json.loads(SCHEMA.read_text())


def test_config_alone_says_how(shell: Shell) -> None:
    assert shell.kfw("config") == 2
    assert "kfw config --help" in shell.err


def test_init_writes_a_file_that_is_right_and_says_the_next_step(shell: Shell) -> None:
    assert shell.kfw("init") == 0
    assert "wrote kfw.yaml\nnext: " in shell.err
    assert shell.kfw("config", "check") == 0
    assert (shell.folder / "kfw.yaml").stat().st_mode & 0o777 == 0o644


def test_init_writes_a_file_that_kfw_reads_under_any_umask(shell: Shell) -> None:
    os.umask(0)
    assert shell.kfw("init") == 0
    assert shell.kfw("config", "check") == 0


def test_init_does_not_overwrite_unless_it_is_told_to(shell: Shell) -> None:
    (shell.folder / "kfw.yaml").write_text("mine")
    assert shell.kfw("init") == 2
    assert (
        "kfw: cannot write kfw.yaml: it exists already\n     edit it, or name another file; --force overwrites it"
        in shell.err
    )
    assert (shell.folder / "kfw.yaml").read_text() == "mine"
    assert shell.kfw("init", "--force") == 0
    assert (shell.folder / "kfw.yaml").read_text() == template(EMBEDDED.read_text())


def test_init_writes_into_a_folder_or_to_a_name(shell: Shell) -> None:
    (shell.folder / "sub").mkdir()
    assert shell.kfw("init", "sub") == 0
    assert shell.kfw("init", "other.yaml") == 0
    assert (shell.folder / "sub/kfw.yaml").read_text() == (shell.folder / "other.yaml").read_text()
    assert shell.kfw("init", "nowhere/kfw.yaml") == 1
    assert "cannot write nowhere/kfw.yaml: No such file or directory" in shell.err


def test_what_init_writes_changes_nothing_until_a_sign_is_taken_away() -> None:
    written = template(EMBEDDED.read_text())
    assert yaml.safe_load(written) == {"portForwards": None, "profiles": None}
    active = "\n".join(
        line[1:] if line[:1] == "#" and line[1:2].strip() else _settings(line)
        for line in written.splitlines()
    )
    assert yaml.safe_load(active) == yaml.safe_load(EMBEDDED.read_text())


def _settings(line: str) -> str:
    """`#  hold: 30s` is a setting of a block: two spaces after the sign, at the very start of the line."""
    return line[1:] if line.startswith("#  ") and not line.startswith("#   yaml") else line


def test_what_is_to_be_saved_in_a_broken_file_is_refused_before_anything_runs(shell: Shell) -> None:
    file = shell.folder / "kfw.yaml"
    (shell.folder / "kubeconfig").write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    words = ("add", "api", "svc/api", "9080:80", "--kubeconfig", "kubeconfig", "--save", "--no-wait")
    for text, why in (
        (BAD, "kfw.yaml:2:9: unknown key 'tagret'"),
        (API.replace("api", "web", 1) + "    localPort: [\n", "this is not YAML"),
        (API, "cannot change kfw.yaml: 'api' is in it already"),
        (API.replace("api:", "web:").replace("80,", "80, localPort: 9080,"), "has the localPort 9080 of web"),
    ):
        file.write_text(text)
        assert shell.kfw(*words) == 2
        assert why in shell.err
        assert file.read_text() == text
    assert shell.kfw("status") == 3


def test_what_no_file_here_has_cannot_be_taken_out_of_it(shell: Shell) -> None:
    assert shell.kfw("remove", "api", "--save") == 2
    assert "cannot find a kfw.yaml here" in shell.err
    (shell.folder / "kfw.yaml").write_text(API)
    assert shell.kfw("remove", "apo", "--save") == 2
    assert "it has no 'apo'\n     its files have: api" in shell.err
    assert shell.kfw("remove", "api", "--save") == 0  # not up, so there is nothing to stop
    assert (shell.folder / "kfw.yaml").read_text() == "portForwards:\n"
