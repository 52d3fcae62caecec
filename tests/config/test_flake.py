"""The options of flake.nix are keys of kfw's config, and its service is the one that `kfw service install` writes."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kfw
from kfw.config import schema
from kfw.system.service_units import LABEL, UserService, systemd_unit
from tests.other_user import ROOT

FLAKE = ROOT / "flake.nix"
SCHEMA: dict[str, Any] = json.loads(Path(schema.__file__).with_name("schema.json").read_text())


def without_comments_and_texts(nix: str) -> str:
    """Strings become "", so that braces in them do not count."""
    return re.sub(r'"(\\.|[^"\\])*"', '""', re.sub(r"#[^\n]*", "", nix))


def block(nix: str, name: str) -> str:
    """What stands in the braces after `name`'s `in` or `=`."""
    text = nix[nix.index(name) :]
    text = text[text.index("in {") + 3 :]
    depth = 0
    for at, sign in enumerate(text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth == 0:
            return text[: at + 1]
    raise AssertionError(f"{name} has no end")


def options(nix: str) -> Iterator[tuple[str, ...]]:
    """The paths of what is set to an option: `daemon = { logLevel = option ...`."""
    inside: list[str] = []
    for opened, name, closed in re.findall(r"(\w+) = \{|(\w+) = (?:option|text)\b|(\};)", nix):
        if opened:
            inside.append(opened)
        elif name:
            yield (*inside, name)
        elif closed and inside:
            inside.pop()


def known(path: tuple[str, ...]) -> bool:
    at: dict[str, Any] = SCHEMA
    for key in path:
        while "$ref" in at:
            at = SCHEMA["$defs"][at["$ref"].rpartition("/")[2]]
        if key not in at.get("properties", {}):
            return False
        at = at["properties"][key]
    return True


NIX = without_comments_and_texts(FLAKE.read_text())
OPTIONS = list(options(block(NIX, "settingsOptions = lib")))


def test_the_reader_finds_the_options() -> None:
    assert len(OPTIONS) >= 10
    assert ("daemon", "logLevel") in OPTIONS
    assert ("portForwards",) in OPTIONS
    assert not known(("daemon", "logLevl")), "the comparison can fail"


@pytest.mark.parametrize("path", OPTIONS, ids=".".join)
def test_FR_CFG_07_each_option_is_a_key_of_the_config(path: tuple[str, ...]) -> None:
    assert known(path)


def test_FR_CFG_07_each_key_of_the_daemon_that_a_user_may_want_is_an_option() -> None:
    daemon = SCHEMA["$defs"]["daemon"]["properties"]
    ours = {path[1] for path in OPTIONS if path[0] == "daemon"}
    moved_by_home = {"logFile", "pidFile", "socketPath"}
    camel = {key for key in daemon if "_" not in key}
    assert camel - ours <= moved_by_home


def test_FR_CFG_07_the_options_of_the_daemon_for_kubefwd_hold_for_kfw() -> None:
    own = NIX[NIX.index("options.services.kubefwd-daemon = {") :]
    own = own[: own.index("};\n          options.services.kfw")]
    assert re.findall(r"^ {12}(\w+) = lib\.mk\w+", own, re.M) == ["enable", "profiles"]
    handed_on = NIX[NIX.index("lib.mkIf kubefwd.enable {") :].partition("})")[0]
    assert re.findall(r"([\w.]+) = ([\w.]+);", handed_on) == [
        ("enable", "true"),
        ("settings.profiles", "kubefwd.profiles"),
    ]


def test_the_service_of_the_flake_is_the_one_that_install_writes() -> None:
    said = dict(re.findall(r"^\s+(\w+) = \"?([^\";]+)\"?;", block_of_service(), re.M))
    unit = dict(
        line.partition("=")[::2] for line in systemd_unit(UserService(("kfw",))).splitlines() if "=" in line
    )
    for key in ("Type", "Restart", "RestartSec", "WatchdogSec", "TimeoutStopSec", "UMask"):
        assert said[key] == unit[key], key
    assert "-HUP" in said["ExecReload"]
    assert LABEL in FLAKE.read_text()


def block_of_service() -> str:
    text = FLAKE.read_text()
    text = text[text.index("service = { lib, config }") :]
    return text[: text.index("};")]


def test_the_version_is_kfws() -> None:
    assert f'version = "{kfw.__version__}";' in FLAKE.read_text()


def test_the_packages_it_needs_are_those_of_pyproject_and_of_its_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"].items()
    extras = [one for name, wanted in optional if name not in ("dev", "docs") for one in wanted]
    assert packages("dependencies") == {name_of(one) for one in project["dependencies"]}
    assert packages("extras") == {name_of(one) for one in extras}


def packages(variable: str) -> set[str]:
    listed = re.search(rf"{variable} = with pkgs\.python3Packages; \[([^\]]*)\]", FLAKE.read_text())
    assert listed, variable
    return set(listed[1].split())


def name_of(requirement: str) -> str:
    return re.split(r"[<>=~;\[]", requirement)[0]


def test_braces_and_brackets_are_balanced() -> None:
    for opening, closing in ("{}", "[]", "()"):
        assert NIX.count(opening) == NIX.count(closing)


def test_nix_itself_reads_it() -> None:
    if not shutil.which("nix-instantiate"):
        pytest.skip("no nix")
    subprocess.run(["nix-instantiate", "--parse", str(FLAKE)], check=True, capture_output=True)
