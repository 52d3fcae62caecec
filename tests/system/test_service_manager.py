"""What systemd hears of a service of Type=notify, on a socket as it makes one."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.system import service_manager
from kfw.system.service_units import LABEL


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_it_hears_what_is_said(systemd: socket.socket) -> None:
    assert service_manager.notify("READY=1", "STATUS=well")
    assert systemd.recv(1000) == b"READY=1\nSTATUS=well"


def test_an_abstract_socket_is_one_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0kfw-test-notify")
        assert service_manager.notify("READY=1", environ={"NOTIFY_SOCKET": "@kfw-test-notify"})
        assert sock.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ("", "relative", "/does/not/exist"))
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    assert not service_manager.notify("READY=1", environ={"NOTIFY_SOCKET": address})


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "OURS"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_that_of_this_process_or_none(environ: dict[str, str], seconds: float | None) -> None:
    ours = {name: value.replace("OURS", str(os.getpid())) for name, value in environ.items()}
    assert service_manager.watchdog(ours) == seconds


def test_a_service_says_that_it_is_ready_lives_and_stops(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000")

    async def serve() -> None:
        async with service_manager.told_to_service_manager(lambda: True):
            await asyncio.sleep(0.1)

    asyncio.run(serve())
    systemd.setblocking(False)
    heard = []
    while True:
        try:
            heard.append(systemd.recv(1000).decode().splitlines()[0])
        except BlockingIOError:
            break
    assert heard[0] == "READY=1"
    assert heard[-1] == "STOPPING=1"
    assert heard.count("WATCHDOG=1") >= 2


def test_who_is_not_the_main_process_any_more_says_nothing_of_its_end(systemd: socket.socket) -> None:
    main = [True]

    async def serve() -> None:
        async with service_manager.told_to_service_manager(lambda: main[0]):
            main[0] = False

    asyncio.run(serve())
    assert systemd.recv(1000).startswith(b"READY=1")
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(1000)


def test_only_the_agent_of_ours_is_launchds() -> None:
    assert service_manager.is_of_launchd({"XPC_SERVICE_NAME": LABEL})
    assert not service_manager.is_of_launchd({"XPC_SERVICE_NAME": "0"})
    assert not service_manager.is_of_launchd({})
