"""Textual costs 0.3 s and 25 MB: only `kfw tui` pays that."""

from pathlib import Path

import grimp
import pytest

from kfw import cli
from kfw.system.installation import how_to_get
from tests.cli.terminal import on_a_terminal
from tests.cli.test_fast_path import modules
from tests.client.fake_daemon import FakeDaemon, row


def test_only_the_command_imports_the_app_and_only_the_app_imports_textual() -> None:
    graph = grimp.build_graph("kfw", include_external_packages=True)
    app = {name for name in graph.modules if name.startswith("kfw.tui")}
    importers = {importer for name in app for importer in graph.find_modules_that_directly_import(name)}
    assert importers - app == {"kfw.commands.tui", "kfw.commands._tui_caller"}
    assert set(graph.find_modules_that_directly_import("textual")) <= app


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "-o", "wide"],
        ["events"],
        ["top"],
        ["explain", "api"],
        ["tui", "--help"],
        ["--help"],
    ],
)
def test_other_commands_and_all_help_load_no_textual(daemon: FakeDaemon, arguments: list[str]) -> None:
    daemon.forwards = [row("api")]
    assert not {name for name in modules(*arguments) if name.split(".")[0] == "textual"}


def test_where_textual_is_missing_the_command_says_how_to_install_it(home: object, tmp_path: Path) -> None:
    stub = "raise ModuleNotFoundError(\"No module named 'textual'\", name='textual')\n"
    (tmp_path / "textual.py").write_text(stub)
    code, said = on_a_terminal(["tui"], env={"PYTHONPATH": str(tmp_path), "NO_COLOR": "1"})
    assert code == 8
    assert "kfw: kfw tui needs the package textual, which is not installed\n" in said
    assert how_to_get("tui") in said


def test_without_a_terminal_it_names_the_command_that_needs_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["tui"]) == 2
    assert "`kfw status --watch`" in capsys.readouterr().err
