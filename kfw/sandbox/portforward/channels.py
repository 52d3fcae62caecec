"""v4.channel.k8s.io: the ports of one request as channels of one WebSocket, each a connection that is dialled at once.

Source: handleWebSocketStreams of k8s.io/kubelet [read and run].
"""

import asyncio
from collections.abc import Sequence

from kfw.http.client_connection import ClientConnection
from kfw.sandbox.portforward.runtime import Failed, FarEnd, Inbox
from kfw.wire import websocket
from kfw.wire.channels import Channels
from kfw.wire.codec import Role, WireError
from kfw.wire.websocket_frames import Payload


class ChannelSession:
    def __init__(self, client: ClientConnection, ports: Sequence[int], far_end: FarEnd) -> None:
        self._client = client
        self._ports = ports
        self._far_end = far_end
        self._socket = websocket.WebSocketConnection(Role.SERVER)
        self._channels = Channels(Role.SERVER, ports)
        self._inboxes = [Inbox() for _ in ports]

    async def run(self, first: bytes) -> None:
        """Until the client leaves, or all connections are over. Raises ConnectionError."""
        for message in self._channels.greet():
            await self._client.send(*self._socket.send(message))
        forwards = [asyncio.create_task(self._forward(index)) for index in range(len(self._ports))]
        reading = asyncio.create_task(self._read(first))
        over = asyncio.create_task(_all(forwards))
        try:
            await asyncio.wait({over, reading}, return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                over.result()
                await self._client.send(self._socket.close())
        finally:
            tasks = [*forwards, reading, over]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def send_data(self, index: int, data: bytes, *, error: bool = False) -> None:
        for message in self._channels.messages(index, data, error=error):
            await self._client.send(*self._socket.send(*message))

    def inbox(self, index: int) -> Inbox:
        return self._inboxes[index]

    async def _forward(self, index: int) -> None:
        try:
            await self._far_end.forward(self._ports[index], ChannelStream(self, index))
        except Failed as problem:
            await self.send_data(index, problem.text.encode(), error=True)

    async def _read(self, data: bytes) -> None:
        try:
            while True:
                for event in self._socket.receive(data):
                    if await self._is_end(event):
                        return
                data = await self._client.read()
                if not data:
                    return
        except WireError:
            return

    async def _is_end(self, event: websocket.Event) -> bool:
        match event:
            case Payload():
                received = self._channels.receive(event)
                if received and not received.error:
                    await self._inboxes[received.index].put(received.data)
            case websocket.WebSocketPing(asked):
                await self._client.send(self._socket.pong(asked))
            case websocket.Close():
                await self._client.send(self._socket.close())
                return True
        return False


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks)


class ChannelStream:
    """The data channel of one port, for the runtime."""

    def __init__(self, session: ChannelSession, index: int) -> None:
        self._session = session
        self._index = index

    async def read(self) -> bytes:
        return await self._session.inbox(self._index).take()

    async def write(self, data: bytes) -> None:
        await self._session.send_data(self._index, data)

    async def close(self) -> None:
        """No channel can be closed alone. What still comes for it is dropped, as for a closed pipe."""
        self._session.inbox(self._index).close()
