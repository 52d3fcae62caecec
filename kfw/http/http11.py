"""HTTP/1.1 on one connection: bytes to Request, Response to bytes, within limits."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from enum import IntEnum

import h11

from kfw.http.bounds import HttpLimits, Memory
from kfw.http.client_connection import ClientConnection
from kfw.http.messages import Handler, Refusal, Request, Response, in_plain_text, request_of

_LONGEST_WHY = 200
#: Answers that have no body, and say so by their number (RFC 9110, 6.4.1).
_BODILESS = (204, 304)


class Activity(IntEnum):
    """What a connection does: the less, the earlier it has to go."""

    WAITING = 0  # for a request, or for the rest of one
    FOLLOWING = 1  # a stream; its client can ask again
    ANSWERING = 2


class HttpConnection:
    """One client: its requests one after the other, each answered before the next is read. The caller closes it."""

    def __init__(
        self,
        client: ClientConnection,
        handler: Handler,
        limits: HttpLimits,
        memory: Memory | None = None,
        *,
        refusal: Refusal = in_plain_text,
        common_name: str | None = None,
        name: str = "HTTP",
    ) -> None:
        """`memory` is shared with other connections; `name` is that of tasks, for the log."""
        self.client = client
        self.activity = Activity.WAITING
        self._handler = handler
        self._limits = limits
        self._memory = memory or Memory(limits)
        self._refusal = refusal
        self._common_name = common_name
        self._name = name
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)

    async def run(self) -> None:
        """Until the client leaves or has to. Raises OSError (TimeoutError when it does not read), h11.ProtocolError."""
        try:
            while await self._serve_one():
                self._http.start_next_cycle()
                await asyncio.sleep(0)  # a thousand requests in one go must not keep others waiting
        finally:
            self._memory.release(self)

    async def _serve_one(self) -> bool:
        """One request and its answer. False: there can be no other."""
        self.activity = Activity.WAITING
        try:
            request = await self._request()
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint, str(error))
            return False
        except TimeoutError:
            if self._http.their_state is h11.SEND_BODY:  # else nothing was asked
                await self._refuse(408, f"it took longer than {self._limits.arrive:g} s to arrive")
            return False
        if request is None:
            return False
        self.activity = Activity.ANSWERING
        response = await self._handler(request)
        if response.switch:
            await self._switch(response)
            return False
        await self._answer(response, head_only=request.method == "HEAD")
        self._memory.release(self)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _request(self) -> Request | None:
        """None: the client has left. Raises TimeoutError, or h11.RemoteProtocolError for what is not a request."""
        async with asyncio.timeout(self._limits.idle) as limit:
            head: h11.Request | None = None
            body = bytearray()
            begun = False
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    await self._read()
                    if not begun:
                        begun = True
                        limit.reschedule(self._arrival_deadline())
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    self._hold_body(len(body))
                elif isinstance(event, h11.EndOfMessage) and head:
                    fields, name = self._limits.query_fields, self._common_name
                    return request_of(head, bytes(body), query_fields=fields, common_name=name)
                else:
                    return None

    def _arrival_deadline(self) -> float | None:
        seconds = self._limits.arrive
        return None if seconds is None else asyncio.get_running_loop().time() + seconds

    def _hold_body(self, size: int) -> None:
        """Raises h11.RemoteProtocolError when it is too much for one, or for all together."""
        if size > self._limits.body:
            raise h11.RemoteProtocolError(f"the body is larger than {self._limits.body} bytes", 413)
        if not self._memory.bodies.hold(self, max(size - self._limits.free, 0)):
            raise h11.RemoteProtocolError("too many large requests at a time, try again later", 429)

    async def _read(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        self._http.receive_data(await self.client.read())

    async def _answer(self, response: Response, *, head_only: bool = False) -> None:
        self._memory.bodies.release(self)
        size = len(response.body) if isinstance(response.body, bytes) else 0
        if not self._memory.replies.hold(self, size):
            response = self._refusal(429, "too many replies wait to be read, try again later")
        head = _head_of(response)
        if isinstance(response.body, bytes):
            bare = head_only or response.status in _BODILESS
            body = [] if bare else [h11.Data(data=response.body)]
            await self._send(head, *body, h11.EndOfMessage())
            return
        try:
            await self._send(head)
        except BaseException:
            await response.body.aclose()
            raise
        if head_only:
            await response.body.aclose()
        else:
            await self._stream(response.body)
        await self._send(h11.EndOfMessage())

    async def _stream(self, chunks: AsyncGenerator[bytes, None]) -> None:
        """Send what comes until it ends, or the client hangs up, which is only noticed by reading."""
        self.activity = Activity.FOLLOWING
        sending = asyncio.create_task(self._send_all(chunks), name=f"{self._name} stream")
        leaving = asyncio.create_task(self._until_client_leaves(), name=f"{self._name} client left")
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise ConnectionResetError("the client left")
            sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send_all(self, chunks: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(chunks):
            async for chunk in chunks:
                await self._send(h11.Data(data=chunk))

    async def _until_client_leaves(self) -> None:
        """What it sends meanwhile is its next request, and waits: one that sends more than a head has to go, too."""
        waiting = 0
        while waiting <= self._limits.head and (data := await self.client.read()):
            self._http.receive_data(data)
            waiting += len(data)

    async def _switch(self, response: Response) -> None:
        """For good: whatever comes from now on is not HTTP."""
        assert response.switch
        headers = list(response.headers.items())
        await self._send(h11.InformationalResponse(status_code=response.status, headers=headers))
        first, _ = self._http.trailing_data
        self.client.is_upgraded = True
        await response.switch(self.client, first)

    async def _refuse(self, status: int, why: str) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            said = self._refusal(status, f"cannot read the request: {why[:_LONGEST_WHY]}")
            await self._answer(replace(said, headers={**said.headers, "connection": "close"}))

    async def _send(self, *events: h11.Event) -> None:
        """Raises TimeoutError when its reader does not read."""
        await self.client.wait_until_writable()
        self.client.write([data for event in events if (data := self._http.send(event))])
        await self.client.drain()


def _head_of(response: Response) -> h11.Response:
    headers = {"content-type": response.content_type, **response.headers}
    if isinstance(response.body, bytes) and response.status not in _BODILESS:
        headers.setdefault("content-length", str(len(response.body)))
    return h11.Response(status_code=response.status, headers=[*headers.items(), *response.more_headers])
