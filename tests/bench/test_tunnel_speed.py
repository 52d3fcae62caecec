from tests.bench.tunnel_rivals import KR8S
from tests.bench.tunnel_speed import FIGURES, compared
from tests.bench.tunnel_ways import KFW, KUBECTL

DOWN = "one stream down"


def test_only_kfw_has_bounds_and_each_row_says_whose_it_is() -> None:
    rounds = [{KFW: {DOWN: 200.0}, KUBECTL: {DOWN: 100.0}, KR8S: {DOWN: 50.0}}]
    ours, theirs = (list(compared(name, rounds)) for name in (KFW, KR8S))
    assert [(one["name"], one["ratio"]) for one in (*ours, *theirs)] == [
        ("tunnel: one stream down, than kubectl", 2.0),
        ("kr8s: one stream down, than kubectl", 0.5),
    ]
    assert ours[0]["bound"] and not theirs[0]["bound"]


def test_a_round_in_which_one_of_both_is_missing_does_not_count() -> None:
    rounds = [{KFW: {DOWN: 200.0}, KUBECTL: {DOWN: 100.0}}, {KFW: {DOWN: 900.0}}]
    assert [one["value"] for one in compared(KFW, rounds)] == [200]


def test_who_was_never_measured_has_no_row() -> None:
    assert not list(compared(KR8S, [{KFW: dict.fromkeys((what for what, _, _ in FIGURES), 1.0)}]))
