import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kfw.relay.disconnect import _KERNEL, _request, departed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client, and the accepted end of its connection."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with (
        socket.create_server((request.param, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
        server.accept()[0] as accepted,
    ):
        yield client, accepted


def test_a_client_that_only_listens_from_now_on_has_not_left(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    client, accepted = pair
    assert departed(accepted) is False
    client.shutdown(socket.SHUT_WR)
    assert accepted.recv(1) == b""
    assert departed(accepted) is False


def test_a_client_that_closed_has_left(pair: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = pair
    client.close()
    assert accepted.recv(1) == b""
    assert departed(accepted) is True


def test_a_client_that_said_something_and_closed_has_left(pair: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = pair
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    client.close()
    assert departed(accepted) is True


def test_a_client_that_had_closed_before_its_answer_came_has_left(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    client, accepted = pair
    client.close()
    assert accepted.recv(1) == b""
    accepted.sendall(b"an answer")  # the kernel says at once that nobody wants it
    with pytest.raises(OSError, match="not connected"):
        accepted.getpeername()
    assert departed(accepted) is True


def test_of_a_socket_that_is_closed_nothing_is_known(pair: tuple[socket.socket, socket.socket]) -> None:
    _, accepted = pair
    accepted.close()
    assert departed(accepted) is None


NONE_FREE = """
import os, resource, socket
from kfw.relay.disconnect import be_ready, departed
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
accepted, _ = server.accept()
be_ready()
resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), 4096))
try:
    os.dup(0)
except OSError:
    pass
else:
    raise AssertionError("there is room")
assert departed(accepted) is False
client.close()
os.dup(0)  # the client's, taken by somebody else
assert departed(accepted) is True
"""


def test_who_has_left_is_known_although_no_file_is_free() -> None:
    subprocess.run([sys.executable, "-c", NONE_FREE], check=True)


def test_a_netlink_socket_that_was_lost_is_opened_again(pair: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = pair
    assert departed(accepted) is False
    assert _KERNEL._socket
    _KERNEL._socket.close()
    assert departed(accepted) is None
    client.close()
    assert departed(accepted) is True


def test_an_answer_to_a_question_that_was_given_up_is_not_taken_for_another(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    client, accepted = pair
    assert departed(accepted) is False
    assert _KERNEL._socket
    theirs, ours = client.getsockname()[:2], client.getpeername()[:2]
    _KERNEL._socket.send(_request(client.family, theirs, ours, 12345))  # of one that lives
    client.close()
    assert departed(accepted) is True
