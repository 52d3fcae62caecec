"""Which methods are tried."""

import pytest

from kfw.errors import KfwError
from kfw.methods.choose import open_path, why_not
from kfw.model import Problem, Reason, Resolution
from tests.fakes import FakeMethod, forward, node, pod

EXPIRED = Problem(Reason.LOGIN_EXPIRED, "the login has run out")
THERE = Resolution(pods=(pod("api-1"),), nodes=(node(),), problem=EXPIRED)


def methods() -> dict[str, FakeMethod]:
    kubectl = FakeMethod("kubectl", wants="pod")
    kubectl.logs_in = True
    return {"nodeport": FakeMethod(), "tunnel": FakeMethod("tunnel", wants="pod"), "kubectl": kubectl}


@pytest.mark.asyncio
async def test_a_child_that_would_ask_a_person_is_not_started_while_nobody_waits() -> None:
    known = methods()
    nobody = Resolution(pods=THERE.pods, problem=EXPIRED, needs_person=True)

    with pytest.raises(KfwError, match="the login has run out"):
        await open_path(known, forward(method="kubectl"), nobody)

    assert known["kubectl"].tunnels == []
    await open_path(known, forward(method="kubectl"), THERE)
    assert len(known["kubectl"].tunnels) == 1


@pytest.mark.parametrize("name", ["nodeport", "tunnel"])
def test_a_method_that_logs_nobody_in_is_tried(name: str) -> None:
    nobody = Resolution(pods=THERE.pods, nodes=THERE.nodes, problem=EXPIRED, needs_person=True)

    assert why_not(methods(), name, nobody) is None
