"""All orders in which a connection can end."""

import pytest

from kfw.methods.tunnel.stream import CloseTracker, Outcome

CLOSED, RST, SAID, OVER = "data closed", "data reset", "error said", "error over"


def after(*events: str) -> CloseTracker:
    ending = CloseTracker()
    acts = {
        CLOSED: ending.on_data_closed,
        RST: ending.on_data_reset,
        SAID: lambda: ending.on_error_text(b"no"),
        OVER: ending.on_error_over,
    }
    for event in events:
        acts[event]()
    return ending


@pytest.mark.parametrize("events", [(CLOSED, OVER), (OVER, CLOSED)])
def test_a_graceful_end_is_both_ends_in_any_order(events: tuple[str, ...]) -> None:
    assert after(events[0]).outcome is Outcome.OPEN
    assert after(*events).outcome is Outcome.CLOSED


@pytest.mark.parametrize(
    "events", [(SAID, OVER), (CLOSED, SAID, OVER), (SAID, OVER, CLOSED), (SAID, CLOSED, OVER)]
)
def test_a_text_is_a_failure_once_it_is_whole(events: tuple[str, ...]) -> None:
    assert after(*events[: events.index(OVER)]).outcome is Outcome.OPEN
    assert after(*events).outcome is Outcome.FAILED
    assert after(*events).text == "no"


def test_a_text_is_whole_too_when_the_data_stream_is_reset_behind_it() -> None:
    assert after(SAID, RST).outcome is Outcome.FAILED
    assert after(SAID, RST, OVER).outcome is Outcome.FAILED


def test_a_reset_without_a_text_waits_for_the_error_streams_end() -> None:
    assert after(RST).outcome is Outcome.OPEN
    assert after(RST, OVER).outcome is Outcome.RESET
    assert after(OVER, RST).outcome is Outcome.RESET
    assert after(RST, SAID).outcome is Outcome.FAILED


def test_the_error_streams_end_alone_says_nothing() -> None:
    ending = after(OVER)
    assert ending.outcome is Outcome.OPEN
    assert not ending.begun


@pytest.mark.parametrize("event", [CLOSED, RST, SAID])
def test_an_end_has_begun_with_the_first_sign_of_it(event: str) -> None:
    assert not after().begun
    assert after(event).begun


def test_of_an_endless_text_a_little_is_kept() -> None:
    ending = CloseTracker()
    for _ in range(1000):
        ending.on_error_text(b"x" * 1000)
    assert len(ending.text) == 4096
