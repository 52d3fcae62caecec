import asyncio
import socket
from contextlib import ExitStack

import pytest

from kfw.relay.dialer import DialFailed, TcpDialer, connect
from tests.relay.world import LOCAL, silent_port

pytestmark = pytest.mark.asyncio


async def test_a_refused_dial_is_safe_and_names_the_address() -> None:
    with socket.socket() as nobody:
        nobody.bind((LOCAL, 0))
        port = nobody.getsockname()[1]
        with pytest.raises(DialFailed) as failed:
            await TcpDialer(LOCAL, port).dial(asyncio.Protocol)
    assert failed.value.safe
    assert failed.value.why == f"{LOCAL}:{port}: connection refused"


async def test_a_silent_dial_ends_after_its_time_and_is_safe() -> None:
    with ExitStack() as stack:
        port = silent_port(stack)
        with pytest.raises(DialFailed) as failed:
            await TcpDialer(LOCAL, port, timeout=0.1).dial(asyncio.Protocol)
    assert failed.value.safe
    assert failed.value.why == f"{LOCAL}:{port}: no answer within 0.1 s"


async def test_a_dial_that_is_given_up_leaves_no_socket() -> None:
    with ExitStack() as stack:
        dialing = asyncio.create_task(connect(LOCAL, silent_port(stack)))
        await asyncio.sleep(0.02)
        dialing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialing  # a socket left open would be a ResourceWarning, which fails the test


async def test_a_far_side_that_vanishes_is_looked_for() -> None:
    with socket.create_server((LOCAL, 0)) as server:
        transport = await TcpDialer(LOCAL, server.getsockname()[1]).dial(asyncio.Protocol)
        sock: socket.socket = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        transport.abort()
        await asyncio.sleep(0)
