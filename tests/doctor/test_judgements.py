"""What answers mean: rights by what kfw does without them, versions by Kubernetes' policy, days of a certificate."""

import re
from itertools import product
from pathlib import Path

import pytest

from kfw.choices import METHODS
from kfw.doctor.hops import HOPS
from kfw.doctor.judgements import judge_certificate, judge_rights, judge_version, rights_for
from kfw.doctor.this_machine import version_in
from kfw.kube.resource import ENDPOINTSLICES, PODS, SERVICES
from kfw.model import Target
from kfw.quickstart.checks import Level
from kfw.target.access_review import FORWARD, Right

DOCS = Path(__file__).parents[2] / "docs" / "doctor.md"


def levels(denied: set[Right], method: str = "auto", target: str = "service/web") -> list[Level]:
    allowed = {right: right not in denied for right in rights_for(Target.parse(target))}
    assert denied <= set(allowed)
    return [one.level for one in judge_rights(allowed, method, "user ada", "namespace shop")]


def test_each_hop_has_its_row_in_the_docs_with_its_time_limit() -> None:
    rows = dict(re.findall(r"^\| ([a-z ]+) \| .* \| (\d+) s \| \d \|$", DOCS.read_text(), re.MULTILINE))
    assert {hop: int(seconds) for hop, seconds in rows.items()} == {
        hop.value: int(traits.seconds) for hop, traits in HOPS.items()
    }


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_who_may_not_forward_has_a_fault_only_where_the_api_is_the_only_way(method: str) -> None:
    only = method in ("tunnel", "kubectl", "kubefwd")
    assert levels({FORWARD}, method) == [Level.ERROR if only else Level.WARNING]


@pytest.mark.parametrize("denied", list(product([False, True], repeat=2)))
def test_slices_or_pods_will_do_and_one_of_them_must_be_there(denied: tuple[bool, bool]) -> None:
    rights = {Right("list", one) for one, no in zip((ENDPOINTSLICES, PODS), denied, strict=True) if no}
    expected = {0: Level.OK, 1: Level.WARNING, 2: Level.ERROR}[len(rights)]
    assert levels(rights) == [expected]


def test_the_kind_of_the_target_must_be_listed_and_need_not_be_watched() -> None:
    assert levels({Right("list", SERVICES)}) == [Level.ERROR]
    assert levels({Right("watch", SERVICES), Right("watch", PODS)}) == [Level.WARNING]
    assert levels({Right("list", PODS)}, target="pod/db-0") == [Level.ERROR]


def test_what_the_api_server_does_not_say_is_no_fault() -> None:
    allowed = dict.fromkeys(rights_for(None))
    assert [one.level for one in judge_rights(allowed, "tunnel", "", "")] == [Level.WARNING]


@pytest.mark.parametrize(
    ("server", "kubectl", "warnings"),
    [
        ("v1.33.0", "1.33.9", 0),
        ("v1.33.0", "1.32.4-dispatcher", 0),
        ("v1.33.0+k3s1", "1.34.0", 0),
        ("v1.33.0", "1.31.0", 1),
        ("v1.33.0", "1.35.0", 1),
        ("v1.20.0", "1.20.0", 1),
        ("v1.20.0", "1.33.0", 2),
        ("v1.33.0", "", 0),
        ("who knows", "1.33.0", 0),
    ],
)
def test_kubectl_may_be_one_minor_version_away(server: str, kubectl: str, warnings: int) -> None:
    found = [one.level for one in judge_version(server, kubectl)]
    assert found == [Level.OK, *[Level.WARNING] * warnings]


@pytest.mark.parametrize(("days", "said"), [(None, 0), (365.0, 0), (13.9, 1), (0.2, 1), (-1.0, 1)])
def test_a_certificate_that_ends_soon_is_told(days: float | None, said: int) -> None:
    assert len(list(judge_certificate(days, "dev"))) == said


@pytest.mark.parametrize(
    ("words", "version"),
    [
        ('{"clientVersion": {"gitVersion": "v1.33.1"}}', "1.33.1"),
        ("kind v0.33.0 go1.24 linux/amd64", "0.33.0"),
        (
            "socat by Gerhard Rieger - see www.dest-unreach.org\nsocat version 1.7.4.4 on 06 Nov 2022",
            "1.7.4.4",
        ),
        ("Docker version 27.1.1, build 6312585", "27.1.1"),
        ("", ""),
        ("[1]", ""),
    ],
)
def test_a_version_is_found_in_what_a_tool_says(words: str, version: str) -> None:
    assert version_in(words) == version
