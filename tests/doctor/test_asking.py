"""Hops are asked in order, each for so long at most, until the first fault."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from kfw.doctor.asking import HopCheck, ask_in_order
from kfw.doctor.hops import HOPS, Hop, Scope, Section, as_json, first_fault, hops_of
from kfw.errors import ClusterUnreachable, KfwError, LoginError
from kfw.quickstart.checks import Finding, Level, ok, warning
from kfw.reasons import Reason

CLUSTER = hops_of(Scope.CLUSTER)


def well(hop: Hop) -> HopCheck:
    async def check() -> Sequence[Finding]:
        return [ok(hop, "well"), warning(hop, "nearly")]

    return check


def raising(error: Exception) -> HopCheck:
    async def check() -> Sequence[Finding]:
        raise error

    return check


async def hanging() -> Sequence[Finding]:
    await asyncio.sleep(3600)
    return []


def asked(checks: Mapping[Hop, HopCheck]) -> tuple[Section, list[Hop]]:
    begun: list[Hop] = []
    section = asyncio.run(ask_in_order(Scope.CLUSTER, "dev", checks, lambda name, hop: begun.append(hop)))
    return section, begun


@pytest.mark.parametrize("faulty", CLUSTER)
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LoginError("no"), 5),
        (ClusterUnreachable("no"), 4),
        (KfwError("no"), 1),
        (KfwError("no", reason=Reason.CONTEXT_NOT_FOUND), 2),
    ],
)
def test_nothing_behind_the_first_fault_is_asked(faulty: Hop, error: KfwError, code: int) -> None:
    section, begun = asked({hop: raising(error) if hop == faulty else well(hop) for hop in reversed(CLUSTER)})
    at = CLUSTER.index(faulty)
    assert begun == list(CLUSTER[: at + 1])
    assert section.not_asked == CLUSTER[at + 1 :]
    assert section.fault
    assert (section.fault.check, section.fault.exit_code) == (faulty, code)


def test_a_hop_that_hangs_is_a_fault_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HOPS, Hop.TCP, HOPS[Hop.TCP]._replace(seconds=0.05))
    section, _ = asked({Hop.TCP: hanging, Hop.TLS: well(Hop.TLS)})
    assert section.fault
    assert section.fault.exit_code == 7
    assert section.fault.what == "connecting to the API server takes more than 0.05 s"
    assert section.not_asked == (Hop.TLS,)


def test_the_exit_code_is_that_of_the_first_fault_and_warnings_are_none() -> None:
    fine, _ = asked({hop: well(hop) for hop in CLUSTER})
    first, _ = asked({Hop.LOGIN: raising(LoginError("no"))})
    second, _ = asked({Hop.TCP: raising(ClusterUnreachable("no"))})
    assert first_fault([fine]) is None
    assert as_json([fine])["exitCode"] == 0
    assert as_json([fine, first, second])["exitCode"] == 5
    assert [one.level for one in fine.findings] == [Level.OK, Level.WARNING] * len(CLUSTER)


def test_each_hop_has_a_scope_and_scopes_come_one_after_the_other() -> None:
    scopes = [traits.scope for traits in HOPS.values()]
    assert scopes == sorted(scopes, key=list(Scope).index)
    assert all(traits.seconds > 0 and traits.doing for traits in HOPS.values())
