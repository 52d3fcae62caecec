"""Which connection gets which link, and where another one is dialled: plans, without a loop and without a clock."""

from dataclasses import replace

import pytest

from kfw.methods.tunnel.pool import Assign, Dial, Fail, Retire, plan, pods_for
from kfw.methods.tunnel.pool_state import PoolRequest, PoolState
from tests.methods.tunnel.pools import (
    DOWN,
    NOW,
    POLICY,
    READY,
    SomeLink,
    dials_of,
    fails_of,
    is_tried_again,
    links_of,
    pool,
    waits,
    wants_warm,
)

# -- which pods


def test_all_ready_pods_may_get_a_connection_that_nobody_has_refused() -> None:
    assert pods_for(READY, tried=(), bad=(), sticky=None) == READY


def test_pods_that_refused_it_or_cannot_be_reached_are_passed_over_as_long_as_there_are_others() -> None:
    assert pods_for(READY, tried={"a"}, bad={"b"}, sticky=None) == ["c"]
    assert pods_for(READY, tried={"a"}, bad={"b", "c"}, sticky=None) == ["b", "c"]
    assert pods_for(READY, tried=READY, bad={"b"}, sticky=None) == ["a", "c"]
    assert pods_for(READY, tried=READY, bad=READY, sticky=None) == READY
    assert pods_for([], tried=(), bad=(), sticky=None) == []


def test_an_affine_connection_stays_with_its_pod_until_that_cannot_take_it() -> None:
    assert pods_for(READY, tried=(), bad=(), sticky="b") == ["b"]
    assert pods_for(READY, tried={"b"}, bad=(), sticky="b") == ["a", "c"]
    assert pods_for(READY, tried=(), bad=(), sticky="gone") == READY
    assert pods_for(READY, tried=(), bad=(), sticky="") == READY


def test_with_affinity_all_that_wait_go_to_the_pod_of_the_last_connection() -> None:
    mine, other = SomeLink("b"), SomeLink("a")
    state = pool(READY, mine, other, sticky=True)
    state.on_opened(waits(state), "b")
    assert links_of(state) == [mine]
    assert dials_of(state) == []
    waits(state)
    assert links_of(state) == [mine]
    assert dials_of(state) == ["b"]


def test_a_sticky_pod_that_is_not_ready_any_more_gives_way_to_the_first_that_is() -> None:
    state = pool(READY, sticky=True)
    assert state.sticky_pod == "a"
    state.on_opened(PoolRequest(NOW, NOW), "c")
    state.on_target(state.endpoints[pod] for pod in ("b", "c"))
    assert state.sticky_pod == "c"
    state.on_target([state.endpoints["b"]])
    assert state.sticky_pod == "b"


# -- which link


def test_the_pod_with_the_fewest_connections_comes_first_then_the_one_whose_turn_it_is() -> None:
    busy, idle_a, idle_b = SomeLink("a", live=3), SomeLink("a"), SomeLink("b")
    state = pool(READY, busy, idle_a, idle_b)
    waits(state)
    assert links_of(state) == [idle_b]
    for turns, expected in (({"a": 2, "b": 1}, idle_b), ({"a": 2, "b": 3}, idle_a)):
        state = pool(READY, idle_a, idle_b)
        state.turns = turns
        waits(state)
        assert links_of(state) == [expected]


def test_a_connection_that_has_just_got_its_link_counts_as_one_of_its_pod() -> None:
    state = pool(["a", "b"], *(SomeLink("b", live=1) for _ in "12"), *(SomeLink(pod) for pod in "aaab"))
    for _ in range(2):
        waits(state)
    assert [link.pod for link in links_of(state)] == ["a", "a"]


def test_of_a_pods_links_the_one_used_last_is_used_again() -> None:
    old, new = SomeLink("a", idle_since=1), SomeLink("a", idle_since=2)
    state = pool(["a"], old, new)
    waits(state)
    assert links_of(state) == [new]


def test_those_that_wait_together_get_a_link_each_and_the_pods_take_turns() -> None:
    some = [SomeLink(pod) for pod in "aabbcc"]
    state = pool(READY, *some)
    for _ in range(6):
        waits(state)
    given = links_of(state)
    assert [link.pod for link in given] == ["a", "b", "c", "a", "b", "c"]
    assert len(set(given)) == 6


def test_a_pod_that_has_just_got_one_has_its_turn_after_the_others_also_within_a_plan() -> None:
    busy = SomeLink("a", live=1)
    state = pool(READY, busy, *(SomeLink(pod) for pod in "aabbcc"))
    state.turns, state.count = {"b": 1, "c": 2, "a": 5}, 5
    for _ in range(4):
        waits(state)
    assert [link.pod for link in links_of(state)] == ["b", "c", "a", "b"]


@pytest.mark.parametrize(
    "unfit",
    [
        SomeLink("a", live=1),
        SomeLink("a", usable=False),
        SomeLink("a", settling=True),
        SomeLink("a", suspect=True),
        SomeLink("gone"),
    ],
    ids=["busy", "retired", "in doubt", "late", "of a pod that is not ready"],
)
def test_a_link_that_is_not_free_is_not_given_and_another_one_is_dialled(unfit: SomeLink) -> None:
    state = pool(["a"], unfit)
    waits(state)
    assert links_of(state) == []
    assert dials_of(state) == ["a"]


def test_a_link_of_a_pod_that_is_not_ready_any_more_drains() -> None:
    stays, goes, gone = SomeLink("a"), SomeLink("b", live=2), SomeLink("b", usable=False)
    assert plan(pool(["a"], stays, goes, gone), NOW) == [Retire(goes, "its pod takes no more connections")]


# -- sharing


def test_after_a_tenth_of_a_second_without_a_link_of_its_own_a_connection_shares_the_one_with_the_fewest() -> (
    None
):
    stalled, many, few = SomeLink("a", 1, stalled=True), SomeLink("a", 9), SomeLink("b", 2)
    state = pool(READY, stalled, many, few)
    waits(state)
    assert links_of(state, NOW + 0.09) == []
    assert links_of(state, NOW + 0.1) == [few]


@pytest.mark.parametrize("trait", ["stalled", "settling", "suspect"])
def test_nobody_shares_a_link_that_stands_still_or_is_in_doubt(trait: str) -> None:
    state = pool(["a"], replace(SomeLink("a", live=1), **{trait: True}))  # type: ignore[arg-type]
    waits(state)
    assert links_of(state, NOW + 1) == []


def full() -> PoolState[SomeLink]:
    return pool(["a"], *(SomeLink("a", live=1) for _ in range(POLICY.moving_links)))


def test_beyond_the_cap_they_share_at_once_and_evenly_and_nothing_is_dialled() -> None:
    state = full()
    for _ in range(3 * POLICY.moving_links):
        waits(state)
    given = links_of(state)
    assert {given.count(link) for link in state.links} == {3}
    assert dials_of(state) == []


def test_a_link_that_stands_still_does_not_count_for_the_cap_so_the_pool_dials_another() -> None:
    state = full()
    next(iter(state.links)).stalled = True
    waits(state)
    assert dials_of(state) == ["a"]


def test_of_links_that_stand_still_there_is_an_end_too() -> None:
    state = pool(["a"], *(SomeLink("a", 1, stalled=True) for _ in range(POLICY.all_links)))
    waits(state)
    assert dials_of(state) == []


def test_who_a_link_is_coming_for_does_not_share_although_the_cap_is_reached() -> None:
    state = full()
    del state.links[next(iter(state.links))]
    dial = state.start_dial("a", NOW)
    waits(state)
    waits(state)
    assert links_of(state) == []
    state.on_dial_ended(dial)
    state.links[SomeLink("a", live=1)] = None
    assert len(links_of(state)) == 2


def test_who_waits_is_served_in_turn_and_only_one_that_was_refused_lets_others_pass() -> None:
    free = SomeLink("b")
    state = pool(["a", "b"], free)
    first = is_tried_again(state, tried={"b"})
    second, third = waits(state), waits(state)
    assert plan(state, NOW) == [Assign(second, free), Dial("a"), Dial("a")]
    assert [first, third] == [one for one in state.waiting if one is not second]


def test_when_no_link_can_be_made_now_a_connection_shares_at_once() -> None:
    busy = SomeLink("a", live=1)
    state = pool(["a"], busy)
    state.on_failure("a", DOWN, NOW)
    waits(state)
    assert links_of(state) == [busy]


# -- dials


def test_dials_are_spread_over_the_pods() -> None:
    state = pool(READY, SomeLink("a", live=1), SomeLink("b", live=1))
    waits(state)
    assert dials_of(state) == ["c"]
    state = pool(READY, SomeLink("a", live=1))
    for pod in ("b", "c", "c"):
        state.start_dial(pod, NOW)
    for _ in range(4):
        waits(state)
    assert dials_of(state) == ["a"]


def test_there_is_one_dial_for_each_who_waits_and_no_more() -> None:
    state = pool(READY, *(SomeLink("a", live=1) for _ in range(5)))
    for _ in range(3):
        waits(state)
    assert len(dials_of(state)) == 3
    state.start_dial("a", NOW)
    assert len(dials_of(state)) == 2


@pytest.mark.parametrize(("links", "dials"), [(0, 2), (1, 4), (2, 6), (3, 8), (9, 8)])
def test_first_two_dials_run_at_a_time_then_two_more_for_each_link_and_never_more_than_eight(
    links: int, dials: int
) -> None:
    state = pool(READY, *(SomeLink("a", live=1) for _ in range(links)))
    for _ in range(20):
        waits(state)
    assert len(dials_of(state)) == dials


def test_a_dial_that_takes_long_does_not_count_and_its_pod_is_passed_over() -> None:
    state = pool(["a", "b"])
    state.start_dial("a", NOW)
    waits(state)
    assert dials_of(state, NOW + 0.29) == []
    assert dials_of(state, NOW + 0.31) == ["b"]


def test_what_a_dial_took_lately_says_when_one_takes_long() -> None:
    state = pool(["a", "b"])
    for _ in range(30):
        state.on_made(state.start_dial("a", NOW), SomeLink("a"), NOW + 1.0, closed=True)
    assert state.usual_dial == pytest.approx(1.0, rel=0.01)
    dial = state.start_dial("a", NOW)
    assert not state.is_slow(dial, NOW + 3.9)
    assert state.is_slow(dial, NOW + 4.01)


def test_to_a_pod_to_which_dials_take_long_there_are_two_at_most() -> None:
    state = pool(["a"])
    waits(state)
    state.start_dial("a", NOW - 1)
    assert dials_of(state) == ["a"]
    state.start_dial("a", NOW - 1)
    assert dials_of(state) == []


def test_a_pod_to_which_a_dial_has_just_failed_is_passed_over_and_after_half_a_second_not_any_more() -> None:
    state = pool(["a", "b"], SomeLink("b", live=1))
    state.on_failure("a", DOWN, NOW)
    waits(state, since=NOW + 0.45)
    assert dials_of(state, NOW + 0.49) == ["b"]
    assert dials_of(state, NOW + 0.51) == ["a"]


def test_a_dial_that_has_just_failed_is_not_made_again_at_once_while_those_to_another_pod_hang() -> None:
    state = pool(["a", "b"])
    waits(state)
    state.on_failure("a", DOWN, NOW)
    for _ in range(POLICY.slow_dials):
        state.start_dial("b", NOW - 1)
    assert plan(state, NOW + 0.49) == []
    assert plan(state, NOW + 0.5) == [Dial("a")]


def test_links_for_nobody_are_not_dialled_to_a_pod_that_has_just_failed() -> None:
    state = wants_warm("a", "b", links=[SomeLink("x", live=1)])
    state.on_failure("a", DOWN, NOW)
    assert dials_of(state) == ["b"]


def test_one_pod_that_failed_is_not_all_of_them() -> None:
    state = pool(["a", "b"])
    request = waits(state)
    assert state.on_failure("a", DOWN, NOW) is False
    assert fails_of(state) == []
    assert dials_of(state) == ["b"]
    assert state.on_failure("b", DOWN, NOW) is True
    assert fails_of(state) == [(request, DOWN.what)]


def test_with_a_link_left_a_failure_of_all_pods_is_not_the_end() -> None:
    state = pool(["a"], SomeLink("a"))
    assert state.on_failure("a", DOWN, NOW) is False


def test_what_has_failed_is_forgotten_once_a_dial_succeeds_or_the_pod_goes() -> None:
    state = pool(["a", "b"])
    state.on_failure("a", DOWN, NOW)
    state.on_failure("b", DOWN, NOW)
    state.on_made(state.start_dial("a", NOW), SomeLink("a"), NOW, closed=False)
    state.on_target([state.endpoints["a"]])
    assert state.failures == {}


def test_a_dial_for_who_knows_of_it_is_shared_but_not_if_it_takes_long() -> None:
    state = pool(["a"])
    dial = state.start_dial("a", NOW)
    assert state.join_dial("a", NOW) is dial
    assert state.join_dial("b", NOW) is None
    assert state.join_dial("a", NOW + 1) is None


# -- no room on this machine


def test_a_shortage_is_no_verdict_on_a_pod_and_who_waits_is_told_of_it_only_when_there_is_no_link() -> None:
    state = pool(["a"])
    request = waits(state)
    state.on_shortage(NOW)
    assert plan(state, NOW) == [Fail(request, "too many open files", short=True)]
    assert state.passed_over(NOW) == set()
    assert plan(state, NOW + 0.21) == [Dial("a")]
    state.links = {SomeLink("a", live=1): None}
    assert plan(state, NOW) == []


def test_without_a_file_nothing_is_dialled_for_who_waits_and_a_connection_that_the_relay_has_waits_on() -> (
    None
):
    state = pool(["a"])
    new, old = waits(state), is_tried_again(state)
    state.files = False
    assert fails_of(state) == [(new, "too many open files")]
    assert old in state.waiting
    assert dials_of(state) == []
