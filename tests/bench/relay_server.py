"""usage: python -m tests.bench.relay_server

What is behind the relay on loopback: echo, source and sink, spoken as the rig's test app speaks on 9000, 9002 and 9003.
Prints the three ports.
"""

import select
import socket
import threading
from collections.abc import Callable

BLOCK = bytes(1 << 20)


def serve_echo(listening: socket.socket) -> None:
    """All of them at once."""
    ready = select.epoll()
    ready.register(listening)
    clients: dict[int, socket.socket] = {}
    while True:
        for fd, _ in ready.poll():
            if fd == listening.fileno():
                client, _ = listening.accept()
                clients[client.fileno()] = client
                ready.register(client, select.EPOLLIN)
            elif not _echo(clients[fd]):
                clients.pop(fd).close()


def _echo(client: socket.socket) -> bool:
    try:
        data = client.recv(4096)
        client.sendall(data)
    except OSError:
        return False
    return bool(data)


def source(client: socket.socket) -> None:
    """A line with a number, answered with so many bytes."""
    left = int(client.recv(100))
    while left:
        left -= client.send(BLOCK[:left])


def sink(client: socket.socket) -> None:
    """Read to the end, answered with the count. MSG_TRUNC: not copied, as nobody looks at it (tcp(7))."""
    buffer = bytearray(len(BLOCK))
    count = 0
    while size := client.recv_into(buffer, len(buffer), socket.MSG_TRUNC):
        count += size
    client.sendall(b"%d\n" % count)


def serve_one_by_one(listening: socket.socket, talk: Callable[[socket.socket], None]) -> None:
    while True:
        client, _ = listening.accept()
        with client:
            try:
                talk(client)
            except (OSError, ValueError) as error:
                print(error, flush=True)


def main() -> None:
    echoing, sending, counting = (socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(3))
    print(*(listening.getsockname()[1] for listening in (echoing, sending, counting)), flush=True)
    for listening, talk in ((sending, source), (counting, sink)):
        threading.Thread(target=serve_one_by_one, args=(listening, talk)).start()
    serve_echo(echoing)


if __name__ == "__main__":
    main()
