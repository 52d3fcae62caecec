import re
from pathlib import Path

import pytest

from kfw.config.schema import SETTINGS
from tests.config.fakes import Project
from tests.config.test_schema import all_blocks

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLES = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if not block.startswith("#")]


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_on_the_page_load(project: Project, text: str) -> None:
    project.write("kfw.yaml", text)
    assert project.load().forwards


def test_the_page_names_every_key() -> None:
    keys = {key for block in all_blocks(SETTINGS) for key in block.fields}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", PAGE)] == []


def test_the_mistakes_on_the_page_are_the_words_that_kfw_says(project: Project) -> None:
    text = """\
portForwards:
  api:
    tagret: service/api
    localPort: 22:22
  web:
    # the one in front
    # of all others
    target: pod/web
    localPort: 70000
"""
    shown = re.findall(r"^kfw\.yaml:.*$", PAGE, re.MULTILINE)
    assert project.problems(text) == shown
