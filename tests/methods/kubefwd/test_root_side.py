"""The root side as a process, with the stub: what ends it, what it leaves in the hosts file, and how long it waits."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfw.methods.kubefwd.root_access import ROOT_SIDE
from kfw.methods.kubefwd.root_side import without
from tests.methods.kubefwd.conftest import OWN, KubefwdStub
from tests.real.running import until
from tests.stopwatch import in_time

PAIRS = [("127.12.27.1", "api"), ("127.12.27.1", "api.shop")]


def test_exactly_the_pairs_are_taken_out() -> None:
    before = (
        "127.0.0.1 localhost\n127.12.27.1 api api.shop other # kubefwd\n127.12.27.2\tapi\n# 127.12.27.1 api\n"
    )
    after = "127.0.0.1 localhost\n127.12.27.1 other # kubefwd\n127.12.27.2\tapi\n# 127.12.27.1 api\n"
    assert without(before, PAIRS) == after


def test_what_has_none_of_the_pairs_stays_byte_for_byte() -> None:
    rng = random.Random(seed := random.randrange(2**32))
    words = [
        "127.12.27.1",
        "127.9.9.9",
        "api",
        "db",
        "#",
        " ",
        "\t",
        "  ",
        "\n",
        "\r\n",
        "::1",
        "é",
        "\udcff",
    ]
    for _ in range(500):
        text = "".join(rng.choices(words, k=rng.randrange(40)))
        assert without(text, [("127.1.1.1", "nobody")]) == text, seed
        after = without(text, PAIRS)
        assert without(after, PAIRS) == after, seed
        for line in after.splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            assert not any((address, name) in PAIRS for name in names), seed


class RootSide:
    def __init__(self, stub: KubefwdStub, left: list[tuple[str, str]], program: Path = ROOT_SIDE) -> None:
        config = stub.home / "z.yaml"
        config.write_text("baseUnreservedIP: 127.12.27.1\nserviceConfigurations: []\n")
        line = [str(stub.bin / "kubefwd"), "svc", "-n", "shop", "-x", "dev", "-z", str(config)]
        self.process = subprocess.Popen(
            [sys.executable, "-IS", str(program), "dev"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.tell({
            "argv": [*line, "--hosts-path", str(stub.hosts)],
            "env": dict(os.environ),
            "hosts": str(stub.hosts),
            "left": left,
        })  # fmt: skip

    def tell(self, what: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def hang_up(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()


@pytest.fixture
def root_side(kubefwd: KubefwdStub) -> Iterator[RootSide]:
    made = RootSide(kubefwd, [("127.13.27.1", "stale")])
    until(lambda: "api.shop" in kubefwd.hosts.read_text(), 20, lambda: "names of kubefwd")
    yield made
    made.hang_up()
    made.process.wait(30)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_B34_when_stdin_ends_kubefwd_gets_TERM_and_only_recorded_names_go(
    root_side: RootSide, kubefwd: KubefwdStub
) -> None:
    with kubefwd.hosts.open("a") as hosts:
        hosts.write("127.12.27.1 recorded.example\n127.12.27.1 not.recorded\n")
    root_side.tell(["127.12.27.1", "recorded.example"])
    began = time.monotonic()
    root_side.hang_up()
    assert root_side.process.wait(20) == 0
    assert in_time(time.monotonic() - began, 5)  # the stub takes no time; 2 s on a machine that is not busy
    left = kubefwd.hosts.read_text()
    assert left == f"127.0.0.1 localhost\n{OWN}127.12.27.1 not.recorded\n"
    assert not alive(kubefwd.calls[0].pid)


def test_names_that_an_earlier_run_has_left_go_at_the_start(kubefwd: KubefwdStub) -> None:
    kubefwd.hosts.write_text(f"127.13.27.1 stale\n127.13.27.1 kept\n{OWN}")
    made = RootSide(kubefwd, [("127.13.27.1", "stale")])
    until(lambda: "api.shop" in kubefwd.hosts.read_text(), 20, lambda: "names of kubefwd")
    made.hang_up()
    made.process.wait(20)
    assert kubefwd.hosts.read_text() == f"127.13.27.1 kept\n{OWN}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_the_end_as_well(root_side: RootSide, kubefwd: KubefwdStub, number: int) -> None:
    root_side.process.send_signal(number)
    assert root_side.process.wait(20) == 0
    assert "api" not in kubefwd.hosts.read_text()


def test_a_kubefwd_that_dies_by_a_signal_is_told_and_its_names_go(
    root_side: RootSide, kubefwd: KubefwdStub
) -> None:
    """It does not handle HUP: it dies without cleaning up."""
    for line in kubefwd.hosts.read_text().splitlines():
        address, name = line.split()[:2]
        if name.startswith("api"):
            root_side.tell([address, name])
    os.kill(kubefwd.calls[0].pid, signal.SIGHUP)
    assert root_side.process.wait(20) == 128 + signal.SIGHUP
    assert kubefwd.hosts.read_text() == f"127.0.0.1 localhost\n{OWN}"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells nobody here")
def test_kubefwd_ends_when_the_root_side_is_killed(root_side: RootSide, kubefwd: KubefwdStub) -> None:
    pid = kubefwd.calls[0].pid
    root_side.process.kill()
    until(lambda: not alive(pid), 10, lambda: "the end of kubefwd")


def test_FR_CORE_04_a_kubefwd_that_ignores_TERM_is_killed_after_fifteen_seconds(
    kubefwd: KubefwdStub, tmp_path: Path
) -> None:
    """A copy that waits for one second stands for the file, which differs in nothing else."""
    sooner = tmp_path / "root_side.py"
    sooner.write_text(re.sub(r"(?m)^GRACE = 15\.0$", "GRACE = 1.0", text := ROOT_SIDE.read_text()))
    assert sooner.read_text() != text
    kubefwd.plans(deaf=True)
    made = RootSide(kubefwd, [], sooner)
    until(lambda: "api.shop" in kubefwd.hosts.read_text(), 20, lambda: "names of kubefwd")
    began = time.monotonic()
    made.hang_up()
    assert made.process.wait(14) == 128 + signal.SIGKILL
    assert time.monotonic() - began >= 0.9
