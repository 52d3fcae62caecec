"""The closed sets: each member is there everywhere it is needed."""

from dataclasses import fields, replace

import pytest

from kfw import choices
from kfw.choices import METHOD_CHOICES, METHODS
from kfw.commands._demo import WAYS
from kfw.daemon.request_validation import fault
from kfw.methods.choose import AUTO, all_methods
from kfw.model import Forward, Health, Target
from kfw.system.process import Children

FORWARD = Forward("api", Target.parse("svc/api"), 80, 8080, context="dev")


def test_every_method_is_in_the_family_and_the_other_way_round() -> None:
    assert set(all_methods(Children.__new__(Children), None)) == set(METHODS)  # type: ignore[arg-type]
    assert set(AUTO) < set(METHODS)
    assert set(WAYS) < set(METHODS)


@pytest.mark.parametrize("method", METHOD_CHOICES)
def test_the_control_api_takes_what_the_config_takes(method: str) -> None:
    assert fault(replace(FORWARD, method=method)) == ""


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("method", replace(FORWARD, method="kubefwd")),
        ("type", replace(FORWARD, type="grpc")),
        ("readiness", replace(FORWARD, readiness="maybe")),
        ("on_port_in_use", replace(FORWARD, on_port_in_use="kill")),
        ("health.type", replace(FORWARD, health=Health(type="grpc"))),
    ],
)
def test_what_is_not_in_a_set_is_refused_with_what_is(key: str, changed: Forward) -> None:
    assert f"{key} is '" in fault(changed)
    assert "known are " in fault(changed)


def test_the_defaults_of_a_forward_are_members() -> None:
    defaults = {field.name: field.default for field in fields(Forward)}
    assert defaults["method"] in METHOD_CHOICES
    assert defaults["type"] in choices.TYPES
    assert defaults["readiness"] in choices.READINESS
    assert defaults["on_port_in_use"] in choices.ON_PORT_IN_USE
    assert Health().type in choices.HEALTH_TYPES
