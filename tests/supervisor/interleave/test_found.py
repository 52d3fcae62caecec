"""What the histories have found, each cut down to what it needs to happen."""

from dataclasses import replace

import pytest

from kfw.model import Health, Retry
from tests.supervisor.interleave.history import Event, History
from tests.supervisor.interleave.play import play
from tests.supervisor.interleave.without import without


def event(what: str, how: str, *, lag: float = 0.0, turns: int = 0, seconds: float = 0.0) -> Event:
    return Event(what, how, 0, lag, turns, seconds)


def history(
    *events: Event, health: str = "none", hold: float = 2.0, ends_early: bool = False, spare: int = 16
) -> History:
    return History(
        1, Health(health, interval=2.0), Retry(max_delay=8.0), hold, 0.0, spare, False, ends_early, events
    )


def up(pods: int = 1) -> tuple[Event, ...]:
    some = [event("a pod comes", "echo") for _ in range(pods)]
    return (*some, event("time", "passes", seconds=1.0))


PODS_GO_WHILE_RIGHTS_ARE_GONE = history(
    event("a pod comes", "echo", seconds=1.0),
    event("all pods are replaced", "its links break", turns=2),
    event("time", "passes", seconds=5.0),
    event("a pod goes", "its links break", lag=0.06, turns=9, seconds=0.5),
    event("rights", "taken", turns=9, seconds=0.5),
    event("a pod comes", "closes", lag=0.3, turns=4, seconds=2.0),
    health="tcp",
    hold=0.5,
)


#: The same hang, and not by chance: an attempt is cancelled by what it waits for.
PODS_GO_WHILE_DIALS_END_FROM_INSIDE = history(
    event("a pod comes", "echo", seconds=1.0),
    event("dials", "end from inside", turns=4, seconds=0.1),
    event("all pods are replaced", "its links break", lag=0.06, turns=1, seconds=0.5),
)


@pytest.mark.parametrize("how", [PODS_GO_WHILE_RIGHTS_ARE_GONE, PODS_GO_WHILE_DIALS_END_FROM_INSIDE])
def test_the_hang_that_these_tests_were_written_for(how: History) -> None:
    """Whether it happens is a matter of milliseconds: of how long the dials take."""
    assert [play(replace(how, seed=seed)).wrong for seed in range(60)] == [""] * 60


def test_without_the_fix_that_hang_is_there_each_time() -> None:
    """By rights that go it came in 20 of 300 plays as long as a path was told its endpoints before the machine had been."""
    each = [replace(PODS_GO_WHILE_DIALS_END_FROM_INSIDE, seed=seed) for seed in range(60)]
    with without("a task that is cancelled from inside is heard"):
        assert all("in opening there is no task 'open'" in play(one).wrong for one in each)


@pytest.mark.parametrize("turns", range(12))
def test_a_forward_that_closes_its_way_ends_when_it_is_told_to(turns: int) -> None:
    """`kfw restart`, and `kfw down` in the same moment: the second was swallowed, and the forward went on."""
    events = (*up(), event("user", "restart", turns=turns))
    assert play(history(*events, health="tcp", ends_early=True)).wrong == ""


def test_a_pod_that_goes_while_it_is_probed_is_no_defect() -> None:
    gone = event("all pods are replaced", "its links break", lag=0.06, turns=4, seconds=0.25)
    first = event("a pod comes", "echo", lag=0.06, turns=6, seconds=2.0)
    assert play(history(first, gone, health="http", spare=1)).wrong == ""


def test_a_pod_that_refuses_dials_at_once_is_not_dialled_in_circles_while_another_hangs() -> None:
    events = (
        *up(2),
        event("a link", "breaks", turns=4),
        event("a link", "breaks", turns=4),
        event("dials", "hang", seconds=0.05),
        event("a client", "knocks and speaks", seconds=1.0),
        event("dials", "fail", seconds=1.0),
    )
    assert play(history(*events)).wrong == ""


@pytest.mark.parametrize("fate", ["hang", "fail", "end from inside", "come late"])
def test_a_connection_is_not_held_longer_than_is_said_whatever_becomes_of_dials(fate: str) -> None:
    links_break = [event("a link", "breaks") for _ in range(3)]
    events = (
        *up(3),
        event("dials", fate),
        *links_break,
        event("a client", "knocks and speaks", seconds=0.7),
        event("time", "passes", seconds=60.0),
    )
    assert play(history(*events)).wrong == ""


@pytest.mark.parametrize("turns", range(6))
def test_nobody_waits_for_a_way_that_is_closed(turns: int) -> None:
    """It breaks while the next one is opened, and new connections come."""
    events = (
        *up(2),
        event("dials", "hang"),
        event("the kubeconfig names another cluster", "", seconds=0.1),
        event("a link", "breaks", turns=turns),
        event("a link", "breaks", turns=turns),
        event("a client", "knocks and speaks", seconds=12.0),
    )
    assert play(history(*events)).wrong == ""


@pytest.mark.parametrize("lag", [0.0, 0.06, 0.3])
@pytest.mark.parametrize("turns", [0, 1, 2, 5])
def test_a_watch_that_ends_from_inside_is_begun_again(lag: float, turns: int) -> None:
    events = (
        *up(),
        event("all pods are replaced", "its links live", lag=lag, turns=turns),
        event("the watch", "ends from inside", lag=lag, turns=turns),
        event("user", "retry", turns=turns),
        event("a client", "knocks", turns=turns),
    )
    assert play(history(*events)).wrong == ""
