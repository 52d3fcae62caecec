"""docs/commands.md knows every command."""

from pathlib import Path

from kfw.commands._group import COMMANDS

DOCS = Path(__file__).parents[2] / "docs" / "commands.md"


def test_every_command_is_described() -> None:
    text = DOCS.read_text()
    assert [name for name in COMMANDS if f"kfw {name}" not in text] == []
