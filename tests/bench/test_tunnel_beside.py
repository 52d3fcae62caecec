from statistics import median

import pytest

from tests.bench.__main__ import BESIDE, areas_of, main
from tests.bench.tunnel_beside import noise

#: Of four rounds that differ by a tenth.
RATIOS = [0.95, 0.98, 1.02, 1.05]


def test_rounds_that_agree_have_no_noise() -> None:
    assert noise([1.05] * 40) == 0


def test_the_noise_of_a_median_shrinks_with_the_rounds_and_grows_with_what_they_differ_by() -> None:
    few, many = RATIOS * 2, RATIOS * 20
    assert 0 < noise(many) < noise(few)
    assert noise([1 + 3 * (one - 1) for one in many]) == pytest.approx(3 * noise(many))


def test_a_tenth_more_is_not_the_noise_of_forty_rounds() -> None:
    worse = [1.1 * one for one in RATIOS * 10]
    assert median(worse) > 1 + noise(worse)


@pytest.mark.parametrize("words", [[BESIDE], ["relay", "--beside", "kfw"]])
def test_another_kfw_is_for_its_own_area_which_needs_one(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert "--beside is for tunnel_beside alone" in capsys.readouterr().err


def test_it_is_measured_by_its_whole_name_only() -> None:
    assert areas_of([BESIDE]) == [BESIDE]
    assert BESIDE not in areas_of(["tunnel"])
