import time

import pytest

from kfw.system.clock import Clock, rfc3339
from tests.stopwatch import Stopwatch


def test_times_are_utc_with_milliseconds_and_never_rounded_into_the_future():
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1.0) == "1970-01-01T00:00:01.000Z"
    assert rfc3339(1_764_000_000.4847) == "2025-11-24T16:00:00.484Z"
    assert rfc3339(1.9999) == "1970-01-01T00:00:01.999Z"


def test_the_boot_clock_is_never_behind_the_monotonic_one_by_more_than_the_start_of_either():
    clock = Clock()
    first, then = (clock.boottime(), clock.monotonic()), (clock.boottime(), clock.monotonic())
    assert then[0] - first[0] == pytest.approx(then[1] - first[1], abs=0.05)


def test_now_is_the_wall_clock():
    assert Clock().now() == pytest.approx(time.time(), abs=1)


@pytest.mark.asyncio
async def test_sleep_takes_the_seconds_it_is_told():
    clock = Clock()
    watch, before = Stopwatch(), clock.monotonic()
    await clock.sleep(0.02)
    assert clock.monotonic() - before >= 0.015 and watch.seconds() < 1
