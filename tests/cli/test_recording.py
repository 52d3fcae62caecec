"""docs/demo.svg: what was on a terminal becomes what is on the picture, at its time."""

import xml.etree.ElementTree as ElementTree

import pyte
import pytest

from tests.recording import PICTURE, Frame, Part, lines_of, svg, typed

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> dict[str, ElementTree.Element]:
    found = ElementTree.fromstring(picture).iter(f"{SVG}text")
    return {"".join(text.itertext()): text for text in found}


def test_the_screen_of_a_terminal_is_read_with_its_colours() -> None:
    screen = pyte.Screen(40, 5)
    pyte.ByteStream(screen).feed("\x1b[32m●\x1b[0m web  <b>\r\n\r\nend".encode())
    first, second, third = lines_of(screen)
    assert [part.text.rstrip() for part in first] == ["●", " web  <b>"]
    assert first[0].colour != first[1].colour
    assert (second, "".join(part.text for part in third).rstrip()) == ((), "end")


def test_a_line_is_there_as_long_as_it_was_and_the_last_picture_stands_where_nothing_moves() -> None:
    always, first, last = (Part("$ kfw"),), (Part("1 & 2"),), (Part("3"),)
    shown = texts(svg([Frame(0.0, (always, first)), Frame(2.0, (always, last))]))
    assert set(shown) == {"$ kfw", "1 & 2", "3"}
    assert shown["$ kfw"].find(f"{SVG}animate") is None
    gone = shown["1 & 2"].find(f"{SVG}animate")
    assert gone is not None and gone.get("values") == "visible;hidden"
    assert gone.get("keyTimes") == "0.0000;0.2500"  # of 8 s: the last picture stays for 6
    assert [text.get("visibility") for text in shown.values()] == [None, "hidden", None]


@pytest.mark.parametrize("command", ["kfw demo", ""])
def test_a_command_is_typed_key_by_key(command: str) -> None:
    frames = typed(command)
    assert [frame.lines[0][1].text for frame in frames] == [command[:n] for n in range(len(command) + 1)]
    assert [frame.at for frame in frames] == sorted(frame.at for frame in frames)


def test_the_picture_that_is_shown_is_a_demo_in_which_nothing_failed() -> None:
    words = " ".join(texts(PICTURE.read_text()))
    assert "$ kfw demo" in words and "pods ended" in words
    assert "failed       0" in words
