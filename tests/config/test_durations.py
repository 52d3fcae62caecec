import pytest

from kfw.config.durations import LONGEST, PATTERN, seconds, text_of


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("500ms", 0.5),
        ("1s", 1),
        ("60s", 60),
        ("1m30s", 90),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("0", 0),
        ("30", 30),
        ("0.25", 0.25),
        ("1s500ms", 1.5),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, length: float) -> None:
    import re

    assert seconds(text) == length
    assert re.search(PATTERN, text)


@pytest.mark.parametrize(
    "text", ["", "s", "soon", "-1s", "1 s", "1d", "1us", "1s ", "1e3", "1:30", "+1s", "٣s", "1s1", "9" * 60]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


def test_longer_than_a_year_is_a_mistake() -> None:
    assert seconds(str(int(LONGEST))) == LONGEST
    with pytest.raises(ValueError, match="is longer than a year"):
        seconds("9000h")


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0s"),
        (0.5, "500ms"),
        (1.0, "1s"),
        (60, "1m"),
        (90, "1m30s"),
        (7200, "2h"),
        (1.5, "1.5s"),
        (0.0005, "0.0005s"),
    ],
)
def test_a_duration_is_written_in_the_shortest_way(length: float, text: str) -> None:
    assert text_of(length) == text
    assert seconds(text) == length
