import pytest

from kfw.errors import EXIT_CODE_OF_REASON, FAMILY, KfwError
from kfw.model import Reason


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_has_a_reason_of_the_closed_list(kind: type[KfwError]) -> None:
    assert Reason(kind.default_reason)


def test_exit_codes_are_those_of_the_product() -> None:
    assert EXIT_CODE_OF_REASON == {
        "internal": 1,
        "bad-config": 2,
        "context-not-found": 2,
        "cluster-unreachable": 4,
        "login-expired": 5,
        "not-permitted": 5,
        "port-in-use": 6,
        "timed-out": 7,
        "tool-missing": 8,
    }
