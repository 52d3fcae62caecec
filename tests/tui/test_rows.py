"""What is known of the forwards after statuses, events and samples of traffic."""

from typing import Any

import pytest

from kfw.tui.rows import LiveForwards
from tests.client.fake_daemon import event, row


def traffic(seconds: int, **bytes_in: int) -> dict[str, Any]:
    """A sample at this second."""
    samples = [
        {"name": name, "connections": 1, "bytesIn": count, "bytesOut": 0} for name, count in bytes_in.items()
    ]
    time = f"2026-11-21T08:00:{seconds:02}.000Z"
    return {"seq": 1, "time": time, "type": "traffic", "name": None, "forward": None, "traffic": samples}


def test_a_rate_is_what_came_since_the_sample_before_and_0_for_who_is_not_in_it() -> None:
    known = LiveForwards()
    known.on_status([row("api"), row("db")])
    for sample in (traffic(0, api=1000, db=0), traffic(2, api=5000), traffic(3, db=700)):
        known.on_event(sample)
    api, db = known.by_name.values()
    assert (api.rate_in, db.rate_in) == (0.0, 700.0)
    assert (list(api.history), list(db.history)) == ([2000.0, 0.0], [0.0, 700.0])
    assert (api.row["bytesIn"], api.row["connections"]) == (5000, 1)


def test_a_counter_that_begins_at_0_again_makes_no_negative_rate() -> None:
    known = LiveForwards()
    known.on_status([row("api", bytesIn=9000)])
    for sample in (traffic(0, api=9000), traffic(1, api=100)):
        known.on_event(sample)
    assert known.by_name["api"].rate_in == 0.0


def test_after_a_gap_rates_begin_with_the_second_sample() -> None:
    known = LiveForwards()
    known.on_status([row("api")])
    known.on_event(traffic(0, api=0))
    known.on_status([row("api", bytesIn=50_000)])
    known.on_event(traffic(30, api=60_000))
    assert known.by_name["api"].rate_in == 0.0


def test_a_whole_list_forgets_who_is_not_in_it_and_keeps_the_history_of_who_is() -> None:
    known = LiveForwards()
    known.on_status([row("api"), row("db")])
    for sample in (traffic(0, api=0), traffic(1, api=10)):
        known.on_event(sample)
    known.on_status([row("web"), row("api")])
    assert list(known.by_name) == ["web", "api"]
    assert list(known.by_name["api"].history) == [10.0]


@pytest.mark.parametrize("kind", ["daemon", "reload", "connection", "log", "of-a-later-version"])
def test_an_event_about_no_forward_changes_no_row(kind: str) -> None:
    known = LiveForwards()
    known.on_status([row("api")])
    known.on_event(event(1, row("api", "error"), kind))
    assert known.by_name["api"].row["status"] == "active"
