"""Which link, which pod."""

from dataclasses import dataclass

from kfw.methods.tunnel.balancer import free_link, pod_to_dial, pods_for, shared_link


@dataclass
class Seen:
    pod: str
    live: int = 0
    usable: bool = True
    settling: bool = False
    suspect: bool = False
    stalled: bool = False
    idle_since: float = 0.0

    @property
    def free(self) -> bool:
        return self.usable and not (self.live or self.settling or self.suspect)


READY = ["a", "b", "c"]


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


def test_the_pod_with_the_fewest_connections_comes_first_then_the_one_whose_turn_it_is() -> None:
    busy, idle_a, idle_b = Seen("a", live=3), Seen("a"), Seen("b")
    assert free_link([busy, idle_a, idle_b], READY, {}) is idle_b
    assert free_link([idle_a, idle_b], READY, {"a": 2, "b": 1}) is idle_b
    assert free_link([idle_a, idle_b], READY, {"a": 2, "b": 3}) is idle_a
    assert free_link([idle_a, idle_b], ["a"], {"a": 2, "b": 1}) is idle_a


def test_of_a_pods_links_the_one_used_last_is_used_again() -> None:
    old, new = Seen("a", idle_since=1), Seen("a", idle_since=2)
    assert free_link([old, new], READY, {}) is new


def test_a_link_that_is_busy_retired_or_in_doubt_is_not_free() -> None:
    assert (
        free_link([Seen("a", live=1), Seen("a", usable=False), Seen("a", settling=True)], READY, {}) is None
    )


def test_who_must_share_gets_the_link_with_the_fewest_that_does_not_stand_still() -> None:
    stalled, many, few = Seen("a", live=1, stalled=True), Seen("a", live=9), Seen("b", live=2)
    assert shared_link([stalled, many, few], READY) is few
    assert shared_link([stalled, many, few], ["a"]) is many
    assert shared_link([stalled, Seen("a", usable=False), Seen("a", 1, settling=True)], READY) is None


def test_dials_are_spread_over_the_pods() -> None:
    assert pod_to_dial(READY, [Seen("a", live=1), Seen("b", live=1)], []) == "c"
    assert pod_to_dial(READY, [Seen("a", live=1)], ["b", "c", "c"]) == "a"
    assert pod_to_dial(READY, [], ["a"]) == "b"
