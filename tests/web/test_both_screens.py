"""The terminal app and the page beside each other, as in tests/real/scene.py, on two embedded clusters."""

from pathlib import Path

import pytest

from tests.real.scene import Record, play
from tests.real.scene_clusters import of_sandbox
from tests.sandbox.kubectl import needs_kubectl

pytestmark = [pytest.mark.sandbox, needs_kubectl]

#: Seconds by which a screen may be late where tests run beside each other.
BUSY = 5.0


def judge(record: Record, pictures: Path) -> None:
    assert record.untold == []
    assert not record.differences, "\n".join(record.differences)
    assert len(record.lines) > 15
    assert len(list(pictures.glob("scene-*-tui.svg"))) == len(list(pictures.glob("scene-*-page.png"))) == 5


def test_both_screens_say_what_the_daemon_says_while_things_break(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    with of_sandbox(tmp_path / "one") as first:
        judge(play(first, short=True, pictures=pictures, tolerance=BUSY), pictures)
