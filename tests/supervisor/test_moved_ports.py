from dataclasses import replace

import pytest

from kfw.model import Forward, Target
from kfw.supervisor.moved_ports import MOST, MovedPorts

API = Forward("api", Target.parse("svc/api"), 80, 8080, on_port_in_use="next", source="/shop/kfw.yaml")


@pytest.fixture
def ports() -> MovedPorts:
    """`api` was moved from 8080 to 8081."""
    ports = MovedPorts()
    ports.put(API, 8081)
    return ports


def test_a_forward_that_was_moved_is_known_by_its_port_and_no_other_is(ports: MovedPorts) -> None:
    assert ports.of(API) == 8081
    for other in (
        {"name": "db"},
        {"source": "/else/kfw.yaml"},
        {"local_port": 9},
        {"on_port_in_use": "error"},
    ):
        assert ports.of(replace(API, **other)) is None


def test_what_got_its_own_port_or_was_removed_is_forgotten(ports: MovedPorts) -> None:
    ports.put(API, 8080)
    assert ports.all() == []
    ports.put(API, 8079)
    ports.forget([API])
    assert ports.of(API) is None


def test_any_free_port_is_not_a_move() -> None:
    ports = MovedPorts()
    ports.put(replace(API, local_port=0), 40000)
    assert ports.all() == []


def test_only_what_is_new_is_told(ports: MovedPorts) -> None:
    told = []
    ports.on_change = lambda: told.append(ports.all())
    ports.put(API, 8081)
    ports.put(replace(API, name="db"), 8080)
    assert told == []
    ports.put(API, 8079)
    assert [one.port for one in told[0]] == [8079]


def test_what_was_kept_is_remembered(ports: MovedPorts) -> None:
    later = MovedPorts()
    later.remember(ports.all())
    assert later.of(API) == 8081


def test_the_oldest_are_forgotten_first(ports: MovedPorts) -> None:
    for number in range(MOST):
        ports.put(replace(API, name=f"f-{number}"), 9000)
    assert len(ports.all()) == MOST
    assert ports.of(API) is None
    assert ports.of(replace(API, name=f"f-{MOST - 1}")) == 9000
