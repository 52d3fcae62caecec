import pytest

from kfw.sandbox.api.columns import age, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (187, "3m7s"),
        (599, "9m59s"),
        (5700, "95m"),
        (4 * 3600 + 300, "4h5m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (51 * 3600, "2d3h"),
        (8 * 86400, "8d"),
        (400 * 86400, "400d"),
        (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_durations_are_said_as_kubectl_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_something_without_a_time_has_no_age() -> None:
    assert age(None, 0.0) == "<unknown>"
    assert age("1970-01-01T00:00:10Z", 55.0) == "45s"
