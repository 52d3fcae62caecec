"""The closed sets: each member is there everywhere it is needed."""

from dataclasses import fields, replace

import pytest

from kfw import choices
from kfw.choices import KINDS, METHOD_CHOICES, METHODS, kind_named
from kfw.commands._demo import WAYS
from kfw.daemon.request_validation import fault
from kfw.kube.resource import OF_KIND
from kfw.kubectl_compat import find as kinds
from kfw.methods.choose import AUTO, all_methods
from kfw.model import NAMED_KINDS, Forward, Health, Kind, Target
from kfw.system.process import Children
from kfw.target.objects import Objects
from kfw.target.registry import SHAPES
from kfw.target.resolve import needs, resolve

FORWARD = Forward("api", Target.parse("svc/api"), 80, 8080, context="dev")


def test_every_method_is_in_the_family_and_the_other_way_round() -> None:
    family = all_methods(Children.__new__(Children), None)  # type: ignore[arg-type]
    assert [method.name for method in family.values()] == list(family)
    assert set(family) == set(METHODS)
    assert set(AUTO) < set(METHODS)
    assert set(WAYS) < set(METHODS)


@pytest.mark.parametrize("method", METHOD_CHOICES)
def test_the_control_api_takes_what_the_config_takes(method: str) -> None:
    assert fault(replace(FORWARD, method=method)) == ""


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("method", replace(FORWARD, method="ssh")),
        ("type", replace(FORWARD, type="grpc")),
        ("readiness", replace(FORWARD, readiness="maybe")),
        ("on_port_in_use", replace(FORWARD, on_port_in_use="kill")),
        ("health.type", replace(FORWARD, health=Health(type="icmp"))),
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


# -- kinds


def test_a_forward_may_name_just_the_kinds_whose_pods_kfw_follows() -> None:
    assert set(NAMED_KINDS) == {name for name, one in KINDS.items() if one.pods_by != "none"}


@pytest.mark.parametrize("name", KINDS)
def test_each_name_of_a_kind_leads_to_it_and_to_no_other(name: str) -> None:
    one = KINDS[name]
    for text in filter(None, (name, one.plural, one.short)):
        assert kind_named(text) == name
        assert kinds.reference(f"{text}/web") == kinds.TargetReference(name, "web", text)
        assert str(kinds.reference(f"{text}/web")) == f"{name}/web"
        assert text not in (t for other in KINDS if other != name for t in _texts(other))


@pytest.mark.parametrize("kind", NAMED_KINDS)
def test_each_kind_of_target_can_be_watched_and_resolved(kind: Kind) -> None:
    wanted = needs(Target(kind, "web"), Objects()).must
    assert OF_KIND[kind] in wanted
    assert wanted <= SHAPES.keys()
    assert {resource.name for resource in wanted} <= {field.name for field in fields(Objects)}
    found = resolve(Target(kind, "web"), 80, Objects(**{resource.name: {} for resource in wanted}))
    assert found.problem and '"web" not found' in found.problem.message


@pytest.mark.parametrize(
    "text", [text for name in KINDS for text in (name, name.upper(), KINDS[name].plural)]
)
def test_a_kind_without_pods_to_follow_is_refused_with_those_that_have(text: str) -> None:
    known = ", ".join(NAMED_KINDS)
    try:
        assert Target.parse(f"{text}/web").kind == kind_named(text.lower())
    except ValueError as error:
        assert kind_named(text.lower()) not in list(Kind)
        assert str(error).startswith(f"'{text}' cannot be forwarded to, ")
        assert str(error).endswith(f"use one of {known}")


def test_a_mistyped_kind_is_answered_with_the_one_that_was_meant() -> None:
    for text, meant in (("servce", "service"), ("Deploymnt", "deployment"), ("statefullset", "statefulset")):
        with pytest.raises(ValueError, match=f"did you mean {meant}[?] use one of service, "):
            Target.parse(f"{text}/web")


def _texts(name: str) -> tuple[str, ...]:
    return (name, KINDS[name].plural, *filter(None, [KINDS[name].short]))
