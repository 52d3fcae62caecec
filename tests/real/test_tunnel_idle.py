"""A connection that is silent for as long as the real tests take. KFW_TEST_IDLE asks for more, in seconds."""

import os
import time

import pytest

from tests.real import talk
from tests.real.idle import Idle
from tests.real.tunnels import Tunnels

ASKED = float(os.environ.get("KFW_TEST_IDLE") or 0)


def test_a_connection_that_was_silent_since_the_first_test_goes_on(
    tunnels: Tunnels, idle: Idle, capsys: pytest.CaptureFixture[str]
) -> None:
    """conftest opens it before the first of the real tests, and makes this the last."""
    time.sleep(max(0.0, ASKED - idle.age))
    age = idle.age
    assert talk.answered(idle.connection, b"still there")
    assert age >= ASKED
    assert tunnels.lost("greet") == 0
    with capsys.disabled():
        print(f" silent for {age:.0f} s ", end="")
