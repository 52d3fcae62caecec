"""The runtime's 500 characters in a few words."""

import pytest

from kfw.methods.tunnel.messages import in_short
from kfw.wire.portforward import classify, gone_text, refused_text, reset_text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (refused_text(7777, "s"), "nothing listens on port 7777 in pod web-1 (connection refused)"),
        (gone_text(7777, "s"), "pod web-1 is gone"),
        (reset_text(7777, "s"), "the app in pod web-1 reset the connection to port 7777"),
        (
            "error forwarding port 7777 to pod web-1, uid : unable to do port forwarding: socat not found",
            "the node of pod web-1 cannot forward ports: unable to do port forwarding: socat not found",
        ),
        ("the moon is full", "cannot reach port 7777 of pod web-1: the moon is full"),
    ],
)
def test_a_failure_is_said_in_a_few_words(text: str, words: str) -> None:
    assert in_short(classify(text, 7777), "web-1", 7777) == words


def test_a_text_that_nobody_knows_is_cut() -> None:
    words = in_short(classify("x" * 3000, 7777), "web-1", 7777)
    assert len(words) < 260
    assert words.endswith("…")


@pytest.mark.parametrize(
    ("declared", "more"),
    [
        (None, ""),
        ((), ""),
        (("8080 (http)",), "; it has 8080 (http)"),
        (("8080 (http)", "9000"), "; it has 8080 (http), 9000"),
        (
            ("8080", "7777 (odd)"),
            ", although it declares that port: the app has not opened it yet, or on another address",
        ),
        (("77 (near)", "17777"), "; it has 77 (near), 17777"),
    ],
)
def test_a_refused_port_is_said_with_those_that_the_pod_declares(
    declared: tuple[str, ...] | None, more: str
) -> None:
    words = in_short(classify(refused_text(7777, "s"), 7777), "web-1", 7777, declared)
    assert words == f"nothing listens on port 7777 in pod web-1 (connection refused){more}"
