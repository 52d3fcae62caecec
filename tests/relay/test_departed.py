import socket
import sys
from collections.abc import Iterator

import pytest

from kfw.relay.departed import departed

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


def test_of_a_socket_that_is_closed_nothing_is_known(pair: tuple[socket.socket, socket.socket]) -> None:
    _, accepted = pair
    accepted.close()
    assert departed(accepted) is None
