"""Which forwards the services of a profile become: names, local ports, and what is left out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfw.model import Forward, Kind, SelectingProfile, Target
from kfw.supervisor.selection import Member, forward_of, members, with_local_ports
from kfw.target.objects import Selector, Service, ServicePort

TEMPLATE = Forward(
    "dev", Target(Kind.SERVICE, "selected"), None, 0, namespace="front", context="kind", profile="dev"
)
DEV = SelectingProfile("dev", ("shop", "shared"), "", ("legacy-*", "old"), TEMPLATE)


def web(name: str = "web", *ports: ServicePort, **more: object) -> Service:
    selector = Selector({"app": name})
    return Service(name=name, selector=selector, ports=ports or (ServicePort(number=80),), **more)  # type: ignore[arg-type]


def names(profile: SelectingProfile, namespace: str, *services: Service) -> list[str]:
    return [one.name for one in members(profile, namespace, services)]


def test_the_first_port_has_the_services_name_and_the_others_theirs_besides() -> None:
    several = web(
        "api", *(ServicePort(number=n, name=name) for n, name in ((80, "http"), (9000, "grpc"), (70, "")))
    )
    assert names(DEV, "shop", several) == ["api", "api-grpc", "api-70"]


def test_in_another_namespace_than_the_first_it_is_appended() -> None:
    assert names(DEV, "shared", web()) == ["web.shared"]
    assert names(replace(DEV, namespaces=()), "front", web()) == ["web"]


@pytest.mark.parametrize(
    "service",
    [
        web("legacy-db"),
        web("old"),
        web("out", type="ExternalName"),
        Service(name="kubernetes", ports=(ServicePort(number=443),)),
        web("dns", ServicePort(number=53, protocol="UDP")),
    ],
    ids=lambda one: one.name,
)
def test_what_is_excluded_or_has_no_pods_or_no_tcp_port_is_left_out(service: Service) -> None:
    assert names(DEV, "shop", service) == []


def test_a_forward_is_as_its_profile_says_and_http_is_seen_by_the_ports_name() -> None:
    member = Member("web", "shop", "web", ServicePort(number=80, name="http-web"))
    made = forward_of(member, 8080, DEV)
    assert (str(made.target), made.target_port, made.local_port, made.type) == (
        "service/web",
        80,
        8080,
        "web",
    )
    assert (made.namespace, made.context, made.profile, made.selected) == ("shop", "kind", "dev", True)


def test_80_comes_to_8080_what_is_taken_goes_elsewhere_and_what_is_remembered_stays() -> None:
    found = list(members(DEV, "shop", [web("a"), web("b"), web("c", ServicePort(number=5432))]))
    ports = with_local_ports(found, {}, ())
    assert (ports["a"], ports["c"]) == (8080, 5432)
    assert 20000 <= ports["b"] < 32000
    assert with_local_ports(found, {"b": 8080}, ()) == {"b": 8080, "c": 5432, "a": ports_of_a(8080)}
    assert with_local_ports(found[:1], {"gone": 8080}, ())["a"] != 8080


def ports_of_a(taken: int) -> int:
    return with_local_ports(list(members(DEV, "shop", [web("a")])), {}, {taken})["a"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 65535)), max_size=40, unique_by=lambda x: x
    ),
    st.sets(st.integers(1024, 65535), max_size=20),
)
def test_no_two_have_one_port_none_takes_anothers_and_a_second_look_changes_nothing(
    drawn: list[tuple[str, int]], taken: set[int]
) -> None:
    found = [Member(f"{name}-{n}", "shop", name, ServicePort(number=n)) for name, n in drawn]
    ports = with_local_ports(found, {}, taken)
    assert len(set(ports.values())) == len(ports)
    assert taken.isdisjoint(ports.values())
    assert with_local_ports(found, ports, taken) == ports
