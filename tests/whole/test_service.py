"""`kfw service`, with a stub of systemctl that starts what the unit says, as systemd does: its socket, its environment."""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.running import until
from tests.whole.conftest import Make
from tests.whole.place import Place
from tests.whole.program import Program

STUB = """#!{python} -S
# A stub of systemctl: it notes what it is asked, and keeps which units are enabled and which run in files.
import json, os, pathlib, shlex, subprocess, sys
here = pathlib.Path({here!r})
words = sys.argv[2:]
with open(here / "asked", "a") as file:
    file.write(" ".join(words) + "\\n")
enabled, active = here / "enabled", here / "active"
unit = pathlib.Path(os.environ["HOME"]) / ".config/systemd/user/kfw.service"
verb = words[0]
if verb == "enable":
    enabled.touch()
elif verb == "start" and not active.exists():
    lines = unit.read_text().splitlines()
    env = {{}}
    for line in lines:
        if line.startswith("Environment="):
            name, _, value = shlex.split(line.partition("=")[2])[0].replace("%%", "%").partition("=")
            env[name] = value
    argv = next(shlex.split(line.partition("=")[2]) for line in lines if line.startswith("ExecStart="))
    folder = next((line.partition("=")[2] for line in lines if line.startswith("WorkingDirectory=")), "/")
    env |= {{"NOTIFY_SOCKET": str(here / "notify"), "HOME": os.environ["HOME"], "KFW_LOOP": "asyncio"}}
    child = subprocess.Popen(argv, env=env, cwd=folder, start_new_session=True, stderr=open(here / "err", "wb"))
    active.write_text(str(child.pid))
elif verb == "disable":
    enabled.unlink(missing_ok=True)
    if active.exists():
        main = (here / "main").read_text() if (here / "main").exists() else active.read_text()
        os.kill(int(main), 15)
        active.unlink()
elif verb in ("is-enabled", "is-active"):
    there = (enabled if verb == "is-enabled" else active).exists()
    print({{"is-enabled": ("disabled", "enabled"), "is-active": ("inactive", "active")}}[verb][there])
    sys.exit(0 if there else 3)
"""


class StubSystemd:
    """`asked`: the words of each call. `notify`: the socket on which services speak."""

    def __init__(self, here: Path) -> None:
        self.here = here
        self.bin = here / "bin"
        self.bin.mkdir(parents=True)
        (self.bin / "systemctl").write_text(STUB.format(python=sys.executable, here=str(here)))
        (self.bin / "loginctl").write_text("#!/bin/sh\necho Linger=no\n")
        for tool in self.bin.iterdir():
            tool.chmod(0o755)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(here / "notify"))
        self.notify.settimeout(20)

    def asked(self) -> list[str]:
        file = self.here / "asked"
        return (
            [line for line in file.read_text().splitlines() if not line.startswith("is-")]
            if file.exists()
            else []
        )

    def hear(self, word: str) -> str:
        """The first message that has it."""
        while True:
            said = self.notify.recv(4096).decode()
            if word in said:
                return said


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[StubSystemd]:
    stub = StubSystemd(tmp_path / "systemd")
    yield stub
    stub.notify.close()


@pytest.fixture
def kfw(shared: Place, make_kfw: Make, systemd: StubSystemd) -> Iterator[Program]:
    program = make_kfw(shared.kubeconfig, PATH=f"{systemd.bin}{os.pathsep}{os.environ['PATH']}")
    yield program
    program("service", "remove", code=None)


Snapshot = dict[str, bytes]


@pytest.fixture
def files(kfw: Program) -> Callable[[], Snapshot]:
    """All files of the home but kfw's own."""

    def look() -> Snapshot:
        found = [file for file in kfw.folder.rglob("*") if file.is_file() and kfw.home not in file.parents]
        return {str(file.relative_to(kfw.folder)): file.read_bytes() for file in found}

    return look


UNIT = ".config/systemd/user/kfw.service"


def test_install_writes_one_file_starts_the_daemon_and_is_idempotent(
    kfw: Program, systemd: StubSystemd, files: Callable[[], Snapshot]
) -> None:
    before = files()
    done = kfw("service", "install")
    assert "ends at logout; `loginctl enable-linger`" in done.stderr
    systemd.hear("READY=1")
    assert set(files()) - set(before) == {UNIT}
    assert (kfw.folder / UNIT).stat().st_mode & 0o777 == 0o600
    assert systemd.asked() == ["daemon-reload", "enable kfw.service", "start kfw.service"]
    until(kfw.answers, 10, lambda: "the daemon answers")
    written = files()
    assert "is unchanged" in kfw("service", "install").stderr
    assert files() == written
    assert len(systemd.asked()) == 3, "nothing more is asked of systemd"
    assert kfw.json("service", "status")["active"] == "active"


def test_remove_takes_away_what_install_wrote_and_nothing_else(
    kfw: Program, systemd: StubSystemd, files: Callable[[], Snapshot]
) -> None:
    (kfw.folder / UNIT).parent.mkdir(parents=True)
    (kfw.folder / UNIT).with_name("other.service").write_text("mine")
    before = files()
    kfw("service", "install")
    systemd.hear("READY=1")
    kfw("service", "remove")
    assert files() == before
    assert systemd.asked()[-2:] == ["disable --now kfw.service", "daemon-reload"]
    until(lambda: not kfw.processes(), 15, lambda: f"the daemon ends: {kfw.processes()}")
    assert "no service is installed" in kfw("service", "remove").stderr
    assert kfw.json("service", "status", code=3)["installed"] is False


def test_a_unit_of_somebody_elses_is_left_alone(kfw: Program, files: Callable[[], Snapshot]) -> None:
    (kfw.folder / UNIT).parent.mkdir(parents=True)
    (kfw.folder / UNIT).write_text("[Service]\nExecStart=/mine\n")
    before = files()
    for verb in ("install", "remove", "status"):
        assert "was not written by kfw" in kfw("service", verb, code=1).stderr
    assert files() == before


def test_a_dry_run_prints_the_unit_and_writes_nothing(
    kfw: Program, systemd: StubSystemd, files: Callable[[], Snapshot]
) -> None:
    before = files()
    kfw.env["AWS_PROFILE"] = "100% dev"
    text = kfw("service", "install", "--dry-run", "--env", "AWS_PROFILE").stdout
    assert 'Environment="AWS_PROFILE=100%% dev"' in text
    assert f"Environment=KFW_HOME={kfw.home}" in text
    assert "Environment=PATH" not in text
    assert files() == before
    assert systemd.asked() == []
    if shutil.which("systemd-analyze"):
        unit = systemd.here / "kfw.service"
        unit.write_text(text)
        env = {**kfw.env, "XDG_RUNTIME_DIR": str(systemd.here)}
        subprocess.run(["systemd-analyze", "verify", "--user", str(unit)], env=env, check=True)


def test_a_secret_does_not_go_into_the_unit(kfw: Program, files: Callable[[], Snapshot]) -> None:
    before = files()
    kfw.env["AWS_SECRET_ACCESS_KEY"] = "ABCDEFGHabcdefgh12345678"
    done = kfw("service", "install", "--env", "AWS_SECRET_ACCESS_KEY", code=2)
    assert "looks like a secret" in done.stderr
    assert "ABCDEFGH" not in done.stderr
    assert files() == before


def test_without_systemd_the_tool_is_named(
    shared: Place, make_kfw: Make, path_without: Callable[[str], str]
) -> None:
    kfw = make_kfw(shared.kubeconfig, PATH=path_without("systemctl"))
    assert "systemctl" in kfw("service", "install", code=8).stderr


def test_the_service_takes_the_place_of_a_daemon_that_up_started_and_is_replaced_without_a_gap(
    kfw: Program, systemd: StubSystemd
) -> None:
    kfw("start")
    first = kfw.daemon()["pid"]
    done = kfw("service", "install")
    assert f"(pid {first}) ends" in done.stderr
    systemd.hear("READY=1")
    until(kfw.answers, 10, lambda: "the service answers")
    second = kfw.daemon()["pid"]
    assert str(second) == (systemd.here / "active").read_text()
    kfw("restart", "--daemon")
    third = kfw.daemon()["pid"]
    (systemd.here / "main").write_text(str(third))
    assert systemd.hear("MAINPID=") == f"MAINPID={third}"
    assert third != second


def test_reload_by_HUP_and_the_line_that_asks_for_it(kfw: Program) -> None:
    text = kfw("service", "install", "--dry-run").stdout
    line = next(line for line in text.splitlines() if line.startswith("ExecReload="))
    assert shlex.split(line.partition("=")[2]) == ["kill", "-HUP", "$MAINPID"]
    assert json.loads(kfw("service", "status", "--json", code=3).stdout)["manager"] == "systemd"
