"""Configuration as the program sees it: layers, and every problem at once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.whole.program import Program


@pytest.fixture
def user_file(kfw: Program) -> Iterator[Path]:
    file = kfw.home / "config" / "config.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    yield file
    file.unlink()


def test_A14_a_later_layer_that_says_only_localPort_keeps_the_target(kfw: Program, user_file: Path) -> None:
    user_file.write_text("portForwards: {api: {target: service/api, targetPort: http, localPort: 9080}}\n")
    kfw.configure({"api": {"localPort": 9090}})
    (api,) = json.loads(kfw("config", "show", "--json").stdout)["portForwards"].values()
    assert (api["target"], api["targetPort"], api["localPort"]) == ("service/api", "http", 9090)
    assert "config.yaml" in kfw("config", "show", "--origin").stdout


def test_A14_a_disabled_entry_is_not_started_also_with_no_other_file(kfw: Program, user_file: Path) -> None:
    user_file.write_text("portForwards: {web: {target: service/web, localPort: 3000, disabled: true}}\n")
    kfw("up")
    assert kfw.status("web")["status"] == "disabled"


def test_A14_FR_CFG_06_SM_3_each_wrong_value_is_named_with_its_place_and_nothing_starts(kfw: Program) -> None:
    (kfw.project / "kfw.yaml").write_text(
        "portForwards:\n"
        "  high: {target: service/a, localPort: 70000}\n"
        "  kind: {target: service/b, localPort: 9001, type: foo}\n"
        '  empty: {target: "", localPort: 9002}\n'
    )
    for command in (["up"], ["config", "check"]):
        done = kfw(*command, code=2)
        lines = done.stderr.splitlines()
        assert lines[0] == "kfw: the configuration has 3 problems"
        assert [line.split(": ")[0].rpartition("kfw.yaml")[2] for line in lines[1:4]] == [
            ":2:40",
            ":3:52",
            ":4:19",
        ]
        for line, word in zip(lines[1:4], ("70000", "foo", "target"), strict=True):
            assert word in line
        assert "Traceback" not in done.stderr
    assert kfw.rows() == {}
