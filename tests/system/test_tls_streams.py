"""TLS that begins on streams that are open."""

import asyncio
import socket
import ssl

import pytest

from kfw.system.tls_streams import start_tls


@pytest.mark.asyncio
async def test_a_far_side_that_leaves_at_the_end_of_the_handshake_is_an_error_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What asyncio's own start_tls returns then cannot be brought about at will."""

    async def gone(*_: object, **__: object) -> None:
        return None

    ours, theirs = socket.socketpair()
    with theirs:
        _, writer = await asyncio.open_connection(sock=ours)
        monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", gone)
        with pytest.raises(ConnectionResetError, match="at the end of the TLS handshake"):
            await start_tls(writer, ssl.create_default_context(), "api")
        writer.close()
        await writer.wait_closed()
