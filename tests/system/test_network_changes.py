"""Sleep and a change of network, by fake clocks."""

import asyncio
import errno
import socket
import subprocess
import sys

import pytest

from kfw.system.network_changes import INTERVAL, outgoing, watch


class Machine:
    """Its clocks, and the address it goes out by. Each turn of the watch is a second, and what `plan` says."""

    def __init__(self, *plan: tuple[float, str | None]) -> None:
        self.awake = self.asleep = 0.0
        self.way: str | None = "10.0.0.2"
        self.told: list[str] = []
        self._plan = list(plan)

    def monotonic(self) -> float:
        return self.awake

    def boottime(self) -> float:
        return self.awake + self.asleep

    async def sleep(self, seconds: float) -> None:
        if not self._plan:
            raise asyncio.CancelledError
        slept, self.way = self._plan.pop(0)
        self.awake += seconds
        self.asleep += slept

    async def run(self) -> list[str]:
        with pytest.raises(asyncio.CancelledError):
            await watch(self, lambda: self.way, self.told.append)
        return self.told


HOME, OFFICE = "10.0.0.2", "192.168.7.3"


@pytest.mark.asyncio
async def test_a_sleep_is_told_once_and_says_how_long() -> None:
    machine = Machine((0, HOME), (3600, HOME), (0, HOME), (0, HOME))
    assert await machine.run() == ["the machine has slept for 3600 s"]
    assert machine.awake == 4 * INTERVAL


@pytest.mark.asyncio
async def test_a_machine_that_is_only_slow_has_not_slept() -> None:
    assert await Machine((0.3, HOME), (0.4, HOME), (0.2, HOME)).run() == []


@pytest.mark.asyncio
async def test_another_network_is_told_and_so_is_none() -> None:
    told = await Machine((0, HOME), (0, ""), (0, OFFICE), (0, OFFICE)).run()
    assert told == [
        "the outgoing address changed from 10.0.0.2 to none",
        "the outgoing address changed from none to 192.168.7.3",
    ]


@pytest.mark.asyncio
async def test_a_sleep_after_which_the_network_is_another_is_one_story() -> None:
    assert await Machine((60, OFFICE), (0, OFFICE)).run() == ["the machine has slept for 60 s"]


@pytest.mark.asyncio
async def test_a_moment_in_which_nothing_can_be_told_is_no_change() -> None:
    """None: no file could be opened. What changed meanwhile is told once it can be seen."""
    assert await Machine((0, None), (0, HOME), (0, None), (0, None), (0, HOME)).run() == []
    assert await Machine((0, None), (0, OFFICE)).run() == [
        f"the outgoing address changed from {HOME} to {OFFICE}"
    ]
    assert await Machine((0, ""), (0, None), (0, "")).run() == [
        f"the outgoing address changed from {HOME} to none"
    ]


#: What socket(2) and connect(2) may say, and what that means: "" is not a way out, None is nothing.
SAID = [
    (errno.EMFILE, None),
    (errno.ENFILE, None),
    (errno.ENOBUFS, None),
    (errno.ENOMEM, None),
    (errno.EINTR, None),
    (errno.ENETUNREACH, ""),
    (errno.EAFNOSUPPORT, ""),
    (errno.EADDRNOTAVAIL, ""),
    (errno.EPERM, ""),
]


@pytest.mark.parametrize(("number", "meaning"), SAID, ids=[errno.errorcode[number] for number, _ in SAID])
def test_what_the_system_says_of_itself_is_not_of_the_network(
    monkeypatch: pytest.MonkeyPatch, number: int, meaning: str | None
) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(number, "no")

    monkeypatch.setattr("kfw.system.network_changes.socket.socket", refuse)
    assert outgoing() == meaning


def test_a_process_without_a_free_file_cannot_tell_and_says_so() -> None:
    code = (
        "import resource, os; from kfw.system.network_changes import outgoing; assert outgoing() is not None;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), 4096)); assert outgoing() is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_this_machine_goes_out_by_an_address_of_its_own_or_not_at_all() -> None:
    assert outgoing() == outgoing()
