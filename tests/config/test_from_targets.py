"""What a cluster has as a kfw.yaml: one that the config reads, with names and ports that are each there once."""

import random
from pathlib import Path

import pytest

from kfw.config.from_targets import FoundPort, config_text, forward_names, local_ports
from kfw.config.layers import load_only
from kfw.model import Forward

WHEN = "2026-11-30"


def read(folder: Path, found: list[FoundPort], remarks: list[str], **where: str) -> dict[str, Forward]:
    file = folder / "kfw.yaml"
    file.write_text(config_text({"context": "dev", **where}, found, remarks, WHEN))
    return dict(load_only([file], folder).forwards)


def some(seed: int) -> list[FoundPort]:
    """As inventory gives them: by namespace and service, the ports in their order."""
    draw = random.Random(seed)
    found = []
    for namespace in ("blue", "green", "on"):
        for service in sorted(
            {draw.choice(["web", "db", "web-http", "web-8080", "a" * 63, "y"]) for _ in range(5)}
        ):
            ports = draw.sample([80, 443, 8080, 5432, 9090, 65535], draw.randint(1, 4))
            for number, port in enumerate(ports):
                name = draw.choice(["", "http", "https", "metrics"])
                why_not = draw.choice(["", "", "no pod was ready"])
                found.append(FoundPort(namespace, service, port, name, number == 0, why_not))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_each_port_is_a_forward_with_a_name_and_a_local_port_of_its_own(seed: int, tmp_path: Path) -> None:
    found = some(seed)
    forwards = read(tmp_path, found, [])
    assert len(forwards) == len(found)
    assert len({one.local_port for one in forwards.values()}) == len(found)
    for one, forward in zip(found, forwards.values(), strict=True):
        assert (str(forward.target), forward.target_port) == (f"service/{one.service}", one.number)
        assert (forward.namespace, forward.context) == (one.namespace, "dev")
        assert forward.enabled is not bool(one.why_not)


def test_the_first_port_has_the_services_name_and_others_that_and_their_own() -> None:
    found = [
        FoundPort("shop", "web", 80, "http"),
        FoundPort("shop", "web", 9090, "metrics", is_first=False),
        FoundPort("shop", "web", 7000, "", is_first=False),
        FoundPort("shop", "db", 5432, "sql"),
        FoundPort("test", "db", 5432, "sql"),
    ]
    assert list(forward_names(found).values()) == ["web", "web-metrics", "web-7000", "db-shop", "db-test"]
    assert list(local_ports(found).values())[:4] == [8080, 9090, 7000, 5432]


def test_a_local_port_does_not_move_when_another_service_comes() -> None:
    two = [FoundPort("a", "web", 80), FoundPort("c", "web", 80)]
    three = [two[0], FoundPort("b", "other", 80, why_not="no pod was ready"), two[1]]
    assert {one: local_ports(three)[one] for one in two} == dict(local_ports(two))


@pytest.mark.parametrize(
    "name", ["yes", "1.0", "a: b", "arn:aws:eks:eu-west-1:1:cluster/dev", "~", "null", "Ω"]
)
def test_a_context_of_any_name_is_read_again_as_it_is(name: str, tmp_path: Path) -> None:
    forwards = read(tmp_path, [FoundPort("shop", "web", 80)], ["a remark\nof two lines: {"], context=name)
    assert forwards["web"].context == name
