"""How fast the codecs are: `python -m tests.wire.measure`. One line per figure; the best of five runs counts.

With `websockets` installed its masker in C is measured, too; with `wsproto`, wsproto.
"""

import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from kfw.wire import spdy, websocket
from kfw.wire.codec import Role
from kfw.wire.websocket_frames import Masker, xor

CHUNK = 64 * 1024


def chunks(frame: bytes) -> list[bytes]:
    wire = frame * (4 * CHUNK // len(frame) + 1)
    return [wire[at : at + CHUNK] for at in range(0, len(wire), CHUNK)]


def rate(step: Callable[[], int], seconds: float = 0.3) -> float:
    """GB/s of a step that says how many bytes it moved."""
    best = 0.0
    for _ in range(5):
        start, size = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds:
            size += step()
        best = max(best, size / spent)
    return best / 1e9


def spdy_receive(size: int) -> Iterator[tuple[str, float]]:
    server, tunnel = spdy.SpdyConnection(Role.SERVER), spdy.SpdyConnection(Role.CLIENT)
    stream, syn = tunnel.open_stream({})
    server.receive(syn)
    wire = chunks(b"".join(server.data(stream, bytes(size))))
    yield "spdy receive", rate(lambda: sum(len(e.payload) for c in wire for e in tunnel.receive(c)))  # type: ignore[union-attr]


def websocket_receive(size: int) -> Iterator[tuple[str, float]]:
    wire = chunks(b"".join(websocket.WebSocketConnection(Role.SERVER).send(bytes(size))))
    client = websocket.WebSocketConnection(Role.CLIENT, masks=lambda: websocket.NO_MASK)
    yield "websocket receive", rate(lambda: sum(len(e.data) for c in wire for e in client.receive(c)))  # type: ignore[union-attr]
    if find_spec("wsproto"):
        yield "wsproto receive", rate(wsproto_step(wire))


def websocket_send(size: int) -> Iterator[tuple[str, float]]:
    def sending(client: websocket.WebSocketConnection) -> float:
        return rate(lambda: size if client.send(message) else 0)

    message = os.urandom(size)
    for name, masker in maskers():
        yield (
            f"websocket send, {name}",
            sending(
                websocket.WebSocketConnection(Role.CLIENT, masks=lambda: os.urandom(4), mask_with=masker)
            ),
        )
    yield (
        "websocket send, no mask",
        sending(websocket.WebSocketConnection(Role.CLIENT, masks=lambda: websocket.NO_MASK)),
    )


def maskers() -> Iterator[tuple[str, Masker]]:
    yield "mask in Python", xor
    if find_spec("websockets"):
        from websockets.speedups import apply_mask  # type: ignore[import-not-found]

        yield "mask in C", apply_mask


def wsproto_step(wire: list[bytes]) -> Callable[[], int]:
    from wsproto.connection import Connection, ConnectionType  # type: ignore[import-not-found]

    client = Connection(ConnectionType.CLIENT)

    def step() -> int:
        size = 0
        for chunk in wire:
            client.receive_data(chunk)
            size += sum(len(event.data) for event in client.events())
        return size

    return step


def main() -> None:
    for size in (1024, 32 * 1024, CHUNK):
        for measure in (spdy_receive, websocket_receive, websocket_send):
            for name, figure in measure(size):
                print(f"{size:6}  {figure:7.2f} GB/s  {name}", flush=True)


if __name__ == "__main__":
    main()
