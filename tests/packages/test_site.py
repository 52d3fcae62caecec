"""The documentation as a site: every page is in it, and every link of it leads somewhere."""

import os
import sys
from pathlib import Path

import pytest

from tests.other_user import ROOT
from tests.packages.building import run

PAGES = sorted(one.name for one in (ROOT / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mkdocs build --strict`: a warning, such as a link to nowhere or a page that the menu lacks, is an error."""
    folder = tmp_path_factory.mktemp("site")
    env = {**os.environ, "BUILD": str(folder), "VENV": str(Path(sys.executable).parents[1])}
    made = run(ROOT / "scripts/site.sh", env=env)
    assert made.stdout == f"{folder / 'site/index.html'}\n"
    return folder / "site"


def test_every_page_of_docs_is_a_page_of_the_site(site: Path) -> None:
    assert [name for name in PAGES if not (site / name).with_suffix(".html").is_file()] == []
    assert "Two commands, without a cluster" in (site / "index.html").read_text()


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    text = (site / "install.html").read_text()
    assert 'src="http' not in text
    assert 'rel="stylesheet" href="http' not in text


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="nowhere"):
        run(*_strict_build(tmp_path))


def _strict_build(folder: Path) -> list[str]:
    """Of one page, with the settings of mkdocs.yml."""
    pages = folder / "pages"
    pages.mkdir()
    (pages / "index.md").write_text("[there](nowhere.md)\n")
    settings, _, _ = (ROOT / "mkdocs.yml").read_text().partition("nav:")
    settings = settings.replace("build/site-pages", str(pages)).replace("build/site", str(folder / "site"))
    (folder / "mkdocs.yml").write_text(settings)
    return [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(folder / "mkdocs.yml")]
