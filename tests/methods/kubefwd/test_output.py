"""What kubefwd's lines mean, with the lines as they come from the child: without colours."""

import logging

import pytest

from kfw.methods.kubefwd.output import Announced, announced, end_of, is_worth_a_look, level, masked, words
from kfw.model import Reason
from kfw.system.child import Lines

COLOURED = b"\x1b[36mINFO\x1b[0m[13:05:07] Port-Forward:      127.12.27.100 api:80 to pod api-7d9-x:8080  \n"


def test_a_forward_is_found_under_the_colours() -> None:
    line = Lines().feed(COLOURED)[0]
    assert announced(line) == Announced("127.12.27.100", "api", 80, "api-7d9-x", 8080)
    assert level("stdout", line) == logging.DEBUG


@pytest.mark.parametrize(
    "line",
    [
        "",
        "INFO[13:05:07] Port-Forward: 10.0.0.1 api:80 to pod x:80",
        "INFO[13:05:07] Port-Forward: 127.1.2.3 api:80",
        "INFO[13:05:07] Port-Forward: 127.1.2.3 api:99999 to pod x:80",
        "INFO[13:05:07] Port-Forward: 127.1.2.3 api:http to pod x:80",
    ],
)
def test_other_lines_announce_nothing(line: str) -> None:
    assert announced(line) is None


def test_lines_that_may_mean_a_loss_are_worth_a_look() -> None:
    assert is_worth_a_look("WARN[13:05:07] Lost connection to shop/api-1")
    assert is_worth_a_look("INFO[13:05:07] Scheduling reconnection for api.shop.dev in 1s")
    assert not is_worth_a_look("INFO[13:05:07] Clean exit")


def test_the_last_grave_line_says_why() -> None:
    said = "INFO[13:05:07] starting\nFATA[13:05:08] Error connecting to k8s cluster: refused   \nbanner"
    assert words(said) == "Error connecting to k8s cluster: refused"
    assert words("WARN[13:05:07] hm   ") == "hm"
    assert words("") == ""


ROOT = "ERRO[13:05:07] \nThis program requires superuser privileges to run. These\n"


@pytest.mark.parametrize(
    ("code", "seconds", "said", "reason", "part"),
    [
        (0, 0.1, ROOT, Reason.NEEDS_ROOT, "needs root"),
        (1, 0.1, "sudo: a password is required", Reason.NEEDS_ROOT, "sudo: a password is required"),
        (1, 0.1, "ada is not in the sudoers file.", Reason.NEEDS_ROOT, "needs root"),
        (0, 60.0, "INFO[1] Clean exit", Reason.CHILD_EXITED, "exited with code 0"),
        (1, 1.0, "FATA[1] missing RBAC permission: x", Reason.NOT_PERMITTED, "missing RBAC"),
        (
            1,
            1.0,
            "FATA[1] Error connecting to k8s cluster: Unauthorized",
            Reason.LOGIN_EXPIRED,
            "Unauthorized",
        ),
        (1, 1.0, "FATA[1] Error connecting to k8s cluster: x", Reason.CLUSTER_UNREACHABLE, "cluster: x"),
        (1, 60.0, "FATA[1] Error connecting to k8s cluster: x", Reason.CHILD_EXITED, "exited with code 1"),
        (1, 0.1, "Error: unknown shorthand flag: 'a' in -a", Reason.BAD_CONFIG, "shorthand flag"),
        (2, 9.0, "goroutine 1 [running]:", Reason.CHILD_EXITED, "panicked"),
        (129, 9.0, "", Reason.CHILD_EXITED, "killed by signal 1"),
        (-9, 9.0, "", Reason.CHILD_EXITED, "killed by signal 9"),
    ],
)
def test_each_end_has_its_class(code: int, seconds: float, said: str, reason: Reason, part: str) -> None:
    problem = end_of(code, seconds, said)
    assert problem.reason is reason
    assert part in problem.message


@pytest.mark.parametrize(
    "said", ["API key: s3cr3tkey99", "API Key generated = s3cr3tkey99", "api-key:s3cr3tkey99"]
)
def test_B36_the_key_of_its_API_is_not_shown(said: str) -> None:
    assert "s3cr3tkey99" not in masked(f"INFO[13:05:07] {said}   ")
