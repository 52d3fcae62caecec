"""The kernel is told to look for a far side that has vanished."""

import socket
import sys

import pytest

from kfw.system.keepalive import OF_API_SERVERS, OF_CLIENTS, KeepAlive, keep_alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the names of the options are Linux's")


def told(sock: socket.socket, option: int) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, option)


@pytest.mark.parametrize("how", [OF_CLIENTS, OF_API_SERVERS], ids=["clients", "API servers"])
def test_the_kernel_has_the_figures_that_were_meant(how: KeepAlive) -> None:
    with socket.socket() as sock:
        keep_alive(sock, how)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert told(sock, socket.TCP_KEEPIDLE) == how.idle
        assert told(sock, socket.TCP_KEEPINTVL) == how.interval
        assert told(sock, socket.TCP_KEEPCNT) == how.count
        assert told(sock, socket.TCP_USER_TIMEOUT) == (how.unacknowledged or 0)


def test_a_client_that_vanished_is_noticed_within_a_minute() -> None:
    assert OF_CLIENTS.idle + OF_CLIENTS.interval * OF_CLIENTS.count <= 60
