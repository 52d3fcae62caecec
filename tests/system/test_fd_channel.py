"""Messages with open files over a real socket pair: whole, in order, bounded, and never waiting for ever."""

import asyncio
import os
import socket
import struct
from pathlib import Path

import pytest

from kfw.system.fd_channel import LARGEST, MOST_FILES, ChannelClosed, FdChannel, close_all

pytestmark = pytest.mark.asyncio


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def pair() -> tuple[FdChannel, FdChannel]:
    one, other = socket.socketpair()
    return FdChannel(one), FdChannel(other)


@pytest.mark.parametrize("size", (0, 1, 100_000, 5_000_000))
@pytest.mark.parametrize("count", (0, 1, 199, 200, 401))
async def test_a_message_comes_whole_with_its_files_in_order(size: int, count: int, tmp_path: Path) -> None:
    one, other = pair()
    files = [os.open(tmp_path / str(number), os.O_CREAT | os.O_RDWR) for number in range(count)]
    for number, file in enumerate(files):
        os.write(file, str(number).encode())
    body = os.urandom(size)
    _, (got, came) = await asyncio.gather(one.send(body, files), other.receive())
    try:
        assert got == body
        assert [os.pread(file, 10, 0).decode() for file in came] == [str(n) for n in range(count)]
        assert not any(map(os.get_inheritable, came)), "children do not get them"
    finally:
        close_all([*files, *came])
        one.close()
        other.close()


async def test_messages_do_not_run_into_each_other() -> None:
    one, other = pair()
    with socket.socket() as file:
        for number in range(50):
            await one.send(b"x" * number, [file.fileno()] * (number % 3))
        for number in range(50):
            body, files = await other.receive()
            assert (len(body), len(files)) == (number, number % 3)
            close_all(files)
    one.close()
    other.close()


@pytest.mark.parametrize(
    "sent", (b"", b"\0\0", struct.pack(">II", 10, 0), struct.pack(">II", 10, 0) + b"12345")
)
async def test_an_end_in_the_middle_is_told_and_leaves_no_file_open(sent: bytes) -> None:
    raw, theirs = socket.socketpair()
    other = FdChannel(theirs)
    raw.sendall(sent)
    raw.close()
    before = open_files()
    with pytest.raises(ChannelClosed):
        await other.receive()
    assert open_files() == before
    other.close()


@pytest.mark.parametrize("head", ((LARGEST + 1, 0), (0, MOST_FILES + 1), (2**32 - 1, 2**32 - 1)))
async def test_what_is_too_large_is_refused_before_it_is_read(head: tuple[int, int]) -> None:
    raw, theirs = socket.socketpair()
    other = FdChannel(theirs)
    raw.sendall(struct.pack(">II", *head))
    with pytest.raises(ValueError, match="a message of"):
        await other.receive()
    raw.close()
    other.close()


async def test_files_that_were_promised_and_do_not_come_are_an_error() -> None:
    raw, theirs = socket.socketpair()
    other = FdChannel(theirs)
    raw.sendall(struct.pack(">II", 3, 2) + b"fff")
    with pytest.raises(ValueError, match="without files"):
        await other.receive()
    raw.close()
    other.close()
