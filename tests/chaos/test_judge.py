"""A cell that holds, and one for each thing that may not hold."""

from dataclasses import replace
from typing import Any

import pytest

from tests.real.chaos.cell import METHODS, RIVALS, Cell
from tests.real.chaos.judge import judge

GOOD = Cell(
    fault="api-blackhole",
    method="tunnel",
    tried=900,
    failed=20,
    quiet=10.5,
    active_in_vain=1.9,
    lost=4,
    counted=4,
    failed_at_last=1,
    tried_at_last=150,
    rss_before=36,
    rss_after=38,
    files_before=40,
    files_after=41,
    links_before=4,
    links_after=20,
)

WRONG = [
    ({"hand": "no new connection is answered"}, "needs a hand: no new connection is answered"),
    ({"failed_at_last": 30}, "30 of 150 new connections still fail when all is over"),
    ({"active_in_vain": 2.4}, "says active for 2.4 s while every new connection fails"),
    ({"counted": 3}, "counts 3 of 4 lost connections"),
    ({"bare_quiet": 9.2}, "no answer for 10.5 s, the bare node port for 9.2 s"),
    ({"failed": 95, "bare_failed": 50}, "95 new connections failed, of those to the bare node port 50"),
    ({"rss_after": 60.0}, "the daemon grew from 36.0 to 60.0 MB"),
    ({"files_after": 90}, "the daemon has 90 descriptors open, before 40"),
    ({"links_after": 90}, "the daemon has 90 connections to the API server, before 4"),
]


def test_a_cell_in_which_all_holds_has_no_violation() -> None:
    assert judge(GOOD) == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("change", "said"), WRONG)
def test_each_thing_that_does_not_hold_is_one_sentence(
    change: dict[str, Any], said: str, method: str
) -> None:
    assert judge(replace(GOOD, method=method, **change)) == [said]


def test_all_that_does_not_hold_is_told_at_once() -> None:
    assert len(judge(replace(GOOD, active_in_vain=9, counted=0, rss_after=99, files_after=99))) == 4


@pytest.mark.parametrize("rival", RIVALS)
def test_a_rival_is_measured_and_not_judged(rival: str) -> None:
    assert judge(replace(GOOD, method=rival, hand="no new connection is answered", counted=0)) == []


def test_a_daemon_that_has_ended_cannot_have_counted_what_it_lost() -> None:
    assert judge(replace(GOOD, counted=0, daemon_ended=True)) == []


@pytest.mark.parametrize(
    "change", [{"active_in_vain": 2.8}, {"bare_quiet": 8.6}, {"failed": 95, "bare_failed": 50}]
)
def test_clients_that_were_late_themselves_get_that_time_back(change: dict[str, Any]) -> None:
    assert judge(replace(GOOD, **change))
    assert judge(replace(GOOD, **change, lag=1.0)) == []


def test_where_the_pods_are_not_well_nothing_is_compared_with_the_bare_node_port() -> None:
    assert judge(replace(GOOD, quiet=30.0, bare_quiet=None)) == []


def test_what_fails_at_last_at_the_bare_node_port_too_is_the_clusters() -> None:
    assert judge(replace(GOOD, failed_at_last=30, bare_failed_at_last=28)) == []
    assert judge(replace(GOOD, failed_at_last=90, bare_failed_at_last=28))


def test_a_crowd_may_leave_some_memory_behind_but_not_all() -> None:
    assert judge(replace(GOOD, rss_after=48.0, crowd=True)) == []
    assert judge(replace(GOOD, rss_after=60.0, crowd=True))


def test_what_fails_for_good_is_said_once() -> None:
    assert judge(replace(GOOD, hand="it says error (not-permitted)", failed_at_last=150)) == [
        "needs a hand: it says error (not-permitted)"
    ]
