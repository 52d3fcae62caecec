"""An answer that does not come in time is said in the same words, wherever the time ran out."""

from urllib.error import URLError

import pytest

from kfw.system import fetch
from kfw.system.fetch import FetchBounds, TimedOut


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("The read operation timed out"),
        URLError(TimeoutError("_ssl.c:1000: The handshake operation timed out")),
    ],
)
def test_a_time_out_of_the_socket_is_told_as_one_of_the_whole(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a moment the socket's own comes first on a busy machine; which of them cannot be brought about at will."""

    def late(*_: object) -> None:
        raise error

    monkeypatch.setattr(fetch, "_ask", late)
    with pytest.raises(TimedOut, match=r"127\.0\.0\.1:1 did not answer within 5 s"):
        fetch.fetch("https://127.0.0.1:1/x", FetchBounds(5, 1000))
