"""How long a connection is tried, on which pods, and what is kept ready for who comes next: plans as in test_pool."""

import pytest

from kfw.methods.tunnel.pool import Dial, plan, tidy
from kfw.methods.tunnel.pool_state import PendingDial, PoolRequest, PoolState
from kfw.model import Endpoint
from tests.methods.tunnel.pools import (
    DOWN,
    NOW,
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

# -- how long


def test_without_a_pod_who_is_new_is_told_at_once_and_who_was_refused_waits_for_one() -> None:
    state = pool([])
    new, old = waits(state), is_tried_again(state)
    assert fails_of(state) == [(new, "no pod is ready")]
    assert fails_of(state, NOW + 14.9) == [(new, "no pod is ready")]
    assert fails_of(state, NOW + 15) == [(new, "no pod is ready"), (old, "no pod is ready")]


@pytest.mark.parametrize(("hold", "told"), [(0.0, 10.0), (5.0, 10.0), (30.0, 30.0)])
def test_a_dial_has_its_ten_seconds_also_where_nothing_shall_be_held(hold: float, told: float) -> None:
    state = pool(["a"])
    request = PoolRequest(NOW, NOW + hold)
    state.wait(request, NOW)
    state.start_dial("a", NOW)
    assert fails_of(state, NOW + told - 0.01) == []
    assert fails_of(state, NOW + told) == [(request, "no tunnel to a pod could be opened in time")]


def refused(
    state: PoolState[SomeLink], request: PoolRequest, pod: str, now: float = NOW, **more: bool
) -> object:
    state.forget(request)
    request.awaited = False
    return state.on_refused(
        request, pod, f"nothing listens in {pod}", now, **({"nothing_listens": True} | more)
    )


def test_a_pod_that_has_not_refused_it_is_tried_at_once_and_all_again_after_pauses_that_grow() -> None:
    state = pool(["a", "b"], SomeLink("a"), SomeLink("b"), hold_refused=60.0)
    request = waits(state)
    now, pauses = NOW, []
    for _ in range(5):
        assert refused(state, request, "a", now) == (True, False)
        assert [link.pod for link in links_of(state, now)] == ["b"]
        refused(state, request, "b", now)
        assert links_of(state, request.not_before - 0.001) == []
        assert len(links_of(state, request.not_before)) == 1
        pauses.append(round(request.not_before - now, 6))
        now = request.not_before
        state.on_assigned(request)
        assert request.tried == set()
    assert pauses == [0.25, 0.5, 1.0, 1.0, 1.0]


def test_that_nothing_listens_in_any_pod_is_an_answer_before_the_hold_is_over() -> None:
    state = pool(["a", "b"], hold_refused=2.0)
    request = waits(state)
    assert refused(state, request, "a") == (True, False)
    assert refused(state, request, "b") == (True, True)
    assert fails_of(state, NOW + 1.99) == []
    assert [one for one, _ in fails_of(state, NOW + 2)] == [request]


def test_a_pod_that_is_gone_and_one_where_nothing_listens_are_not_an_answer_of_all() -> None:
    state = pool(["a", "b"], hold_refused=0.0)
    request = waits(state)
    assert refused(state, request, "a", nothing_listens=False) == (True, False)
    assert refused(state, request, "b") == (True, False)
    assert request.refused_at is None


def test_the_hold_for_refusals_counts_from_the_first_round() -> None:
    state = pool(["a"], hold_refused=2.0)
    request = waits(state)
    refused(state, request, "a")
    state.on_assigned(request)
    refused(state, request, "a", NOW + 1)
    assert [one for one, _ in fails_of(state, NOW + 2)] == [request]


def test_when_the_pods_go_their_refusal_does_not_count_any_more() -> None:
    state = pool(["a"], hold_refused=2.0)
    request = waits(state)
    refused(state, request, "a")
    state.on_target([])
    state.on_target([Endpoint("pod", "b", "10.0.0.1", 8080)])
    assert fails_of(state, NOW + 14.9) == []


def test_each_pod_is_asked_within_a_second_although_nothing_shall_be_held() -> None:
    state = pool(READY, hold_refused=0.0)
    request = PoolRequest(NOW, NOW)
    assert refused(state, request, "a", NOW + 0.9) == (True, False)
    assert refused(state, request, "b", NOW + 1.0) == (False, False)


def test_a_probe_asks_each_pod_once() -> None:
    state = pool(["a", "b"], hold_refused=9.0)
    request = waits(state, once=True)
    assert refused(state, request, "a") == (True, False)
    assert refused(state, request, "b") == (False, True)
    assert request not in state.waiting


def test_what_a_far_side_that_goes_away_has_not_looked_at_is_tried_again_until_its_time_is_over() -> None:
    state = pool(["a"])
    request = waits(state)
    state.forget(request)
    assert not state.on_returned(request, NOW + 15)
    assert request not in state.waiting
    assert state.on_returned(request, NOW + 14)
    assert request in state.waiting


# -- for who comes next


def test_a_forward_that_is_used_keeps_a_link_to_each_of_four_pods_and_another_one_keeps_one() -> None:
    assert plan(wants_warm(*"abcdef"), NOW) == [
        Dial("a", warm=True),
        Dial("b", warm=True),
    ]  # first two at a time
    some = [SomeLink("a", live=1), SomeLink("b"), SomeLink("c", settling=True)]
    assert dials_of(wants_warm(*"abcdef", links=some)) == ["a", "c", "d"]
    assert dials_of(wants_warm(*"abcdef", used=NOW - 61)) == ["a"]
    assert dials_of(wants_warm(*"abcdef", links=some, used=NOW - 61)) == []


def test_a_pod_that_cannot_be_reached_is_not_kept_warm() -> None:
    state = wants_warm("a", "b", used=NOW - 61)
    state.on_failure("a", DOWN, NOW)
    assert dials_of(state) == ["b"]


def test_a_link_that_is_coming_is_the_warm_one() -> None:
    state = wants_warm("a", "b")
    state.start_dial("a", NOW)
    assert dials_of(state) == ["b"]


def test_links_that_nobody_waits_for_are_dialled_only_while_there_is_room_for_idle_ones() -> None:
    state = wants_warm(*"abc", links=[SomeLink("x", live=1), SomeLink("y", live=1)])
    state.idle_room = 2
    assert dials_of(state) == ["a", "b"]
    state.idle_room = 0
    assert dials_of(state) == []


def test_who_has_just_got_the_free_link_leaves_none_for_the_next() -> None:
    state = wants_warm("a", links=[SomeLink("a")])
    assert dials_of(state) == []
    waits(state)
    assert dials_of(state) == ["a"]


def test_a_pool_that_is_closed_does_nothing() -> None:
    state = wants_warm("a")
    waits(state)
    state.closed = True
    assert plan(state, NOW) == []


@pytest.mark.parametrize(("used", "closed"), [(True, [0, 3]), (False, [0, 2, 3])])
def test_idle_links_are_closed_after_half_a_minute_but_the_one_used_last_of_each_pod_in_use(
    used: bool, closed: list[int]
) -> None:
    ages = [("a", 40.0), ("a", 5.0), ("b", 50.0), ("b", 60.0), ("a", 29.0)]
    some = [SomeLink(pod, idle_since=NOW - age) for pod, age in ages]
    busy = SomeLink("a", live=1, idle_since=NOW)
    state = pool(READY, *some, busy)
    state.used_at = NOW - (59 if used else 61)
    assert sorted(some.index(link) for link in tidy(state, NOW)) == closed


def test_a_dial_that_made_no_link_is_not_expected_any_more() -> None:
    state = pool(["a"])
    dial = state.start_dial("a", NOW)
    assert isinstance(dial, PendingDial)
    assert state.coming(NOW) == ["a"]
    state.on_dial_ended(dial)
    assert state.coming(NOW) == []
    assert state.is_bare(NOW)
