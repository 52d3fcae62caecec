"""What the kernel is told about a link's socket."""

import socket

import pytest

from kfw.methods.tunnel.link import IN_USE, WARM, Link
from tests.methods.tunnel.far import far_side
from tests.methods.tunnel.ways import client, tunnel, until


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
@pytest.mark.asyncio
async def test_the_kernel_soon_gives_up_a_dead_link_that_is_warm_and_later_one_in_use() -> None:
    def patience(link: Link) -> int:
        sock = link._transport.get_extra_info("socket")
        return int(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))

    async with far_side() as far, tunnel(far) as way:
        await until(lambda: all(link.free for link in way.pool.links))
        assert [patience(link) for link in way.pool.links] == [WARM]
        assert WARM < 5000
        one = await client(way, b"x")
        await until(lambda: one.got == b"x")
        used = next(link for link in way.pool.links if link.live)
        assert patience(used) == IN_USE
        one.transport.close()
        await until(lambda: used.free and patience(used) == WARM)
