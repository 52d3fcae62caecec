"""The pictures in the docs show the app as it is. After a change: python -m tests.tui.pictures"""

import pytest

from tests.tui.pictures import DOCS, PICTURES, draw, words


@pytest.mark.asyncio
@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_in_the_docs_shows_what_the_app_draws(name: str) -> None:
    assert words((DOCS / name).read_text()) == words(await draw(name))
