"""The schema in the language server that VS Code, Neovim, Emacs and others run for YAML, used as docs/configuration.md says.

npm fetches it; where there is no npm or no network, these are skipped.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.choices import METHODS
from kfw.config.layers import EMBEDDED
from tests.cli.running import kfw
from tests.config.language_server import Editor, editor
from tests.other_user import ROOT

SERVER = "yaml-language-server"
PACKAGE = f"{SERVER}@1.25.0"
#: Seconds for npm; it takes 5.
_LIMIT = 120

#: Where line 4 is the next one of the forward.
FORWARD = "portForwards:\n  api:\n    target: service/api\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of its program."""
    npm = shutil.which("npm")
    if not (npm and shutil.which("node")):
        pytest.skip("npm is not on PATH: apt-get install npm")
    folder = tmp_path_factory.mktemp("npm")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=0"]
    argv = [npm, "install", *options, "--cache", str(folder / "cache"), "--prefix", str(folder), PACKAGE]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm has not fetched {PACKAGE} after {_LIMIT} s")
    if done.returncode:
        pytest.skip(f"npm cannot fetch {PACKAGE}: {done.stderr.splitlines()[0]}")
    return folder / "node_modules" / ".bin" / SERVER


@pytest.fixture(scope="module")
def modeline() -> str:
    """As the page on configuration has it, with its end of line."""
    text = (ROOT / "docs" / "configuration.md").read_text()
    (line,) = re.findall(rf"^# {SERVER}: .*\n", text, re.M)
    return str(line)


@pytest.fixture(scope="module")
def opened(server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """A kfw.yaml beside what `kfw config schema` printed."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "kfw.schema.json").write_text(kfw("config", "schema").stdout)
    with editor(server, folder / "kfw.yaml") as program:
        yield program


def test_a_key_that_does_not_exist_is_underlined(opened: Editor, modeline: str) -> None:
    opened.type(f"{modeline}{FORWARD}    localPrt: 80\n")
    assert "localPrt" in opened.wait_for_mistakes(lambda found: {*found} == {4})[4]


def test_a_value_that_is_not_one_is_underlined_and_says_which_are(opened: Editor, modeline: str) -> None:
    opened.type(f"{modeline}{FORWARD}    method: tunel\n    localPort: eighty\n")
    found = opened.wait_for_mistakes(lambda found: {*found} == {4, 5})
    assert [name for name in METHODS if f'"{name}"' not in found[4]] == []
    assert "integer" in found[5]


def test_both_spellings_of_a_key_are_right(opened: Editor, modeline: str) -> None:
    opened.type(f"{modeline}{FORWARD}    local_port: 80\n    on_port_in_use: never\n")
    opened.wait_for_mistakes(lambda found: {*found} == {5})
    opened.type(f"{modeline}{FORWARD}    local_port: 80\n    on_port_in_use: next\n")
    opened.wait_for_mistakes(lambda found: not found)


def test_the_keys_of_a_file_of_a_forward_and_the_methods_are_proposed(opened: Editor, modeline: str) -> None:
    opened.type(f"{modeline}{FORWARD}    method: \n    \n\n")
    assert opened.proposals(4, 12) >= {"auto", *METHODS}
    of_forward, of_file = opened.proposals(5, 4), opened.proposals(6, 0)
    assert of_forward >= {"localPort", "targetPort", "namespace", "context", "health"}
    assert not of_forward & {
        "target",
        "method",
        "profiles",
        "local_port",
    }  # there already, elsewhere, the other spelling
    assert of_file >= {"profiles", "defaults", "daemon"}
    assert not of_file & {"portForwards", "localPort", "port_forwards"}


def test_a_key_is_explained(opened: Editor, modeline: str) -> None:
    opened.type(f"{modeline}{FORWARD}")
    assert "service/NAME" in opened.explanation(3, 6)


@pytest.mark.parametrize("file", [EMBEDDED, ROOT / "quick-start" / "kfw.yaml"], ids=lambda file: file.name)
def test_files_that_are_right_have_nothing_underlined(opened: Editor, modeline: str, file: Path) -> None:
    opened.type(f"{modeline}nothing: of this\n")
    opened.wait_for_mistakes(lambda found: {*found} == {1})
    opened.type(modeline + file.read_text())
    opened.wait_for_mistakes(lambda found: not found)
