"""The app over ssh: each screen is as it is without. The server is a real sshd, of this test alone."""

import getpass
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.talk import free_ports
from tests.tui.live_daemon import LiveDaemon
from tests.tui.tmux import KFW, LIMIT, Terminal, terminal

pytestmark = pytest.mark.sandbox

#: Nothing of the user's, no other way in than by the key of this test.
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
PrintLastLog no
"""


@dataclass(frozen=True)
class SshServer:
    folder: Path
    port: int

    def command(self, remote: str) -> str:
        """For a shell: run it there, in a terminal."""
        options = ("-F", "/dev/null", "-tt", "-p", str(self.port), "-i", str(self.folder / "client"))
        more = (
            "BatchMode=yes",
            "StrictHostKeyChecking=accept-new",
            f"UserKnownHostsFile={self.folder}/known",
            "LogLevel=ERROR",
        )
        words = ["ssh", *options, *(word for one in more for word in ("-o", one))]
        return shlex.join([*words, f"{getpass.getuser()}@127.0.0.1", remote])


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[SshServer]:
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if not (sshd and shutil.which("ssh") and shutil.which("ssh-keygen")):
        pytest.skip("there is no sshd here: apt-get install openssh-server")
    if os.getuid() == 0 and not Path("/run/sshd").is_dir():
        pytest.skip("sshd wants a folder of root, which its service makes: mkdir /run/sshd")
    for name in ("host", "client"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True
        )
    server = SshServer(tmp_path, free_ports(1)[0])
    (tmp_path / "config").write_text(CONFIG.format(port=server.port, folder=tmp_path))
    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen([sshd, "-D", "-e", "-f", str(tmp_path / "config")], stderr=log)
    try:
        _wait_until_it_listens(daemon, server)
        yield server
    finally:
        daemon.terminate()
        daemon.wait(20)


def _wait_until_it_listens(daemon: "subprocess.Popen[bytes]", server: SshServer) -> None:
    end = time.monotonic() + LIMIT
    while True:
        with closing(socket.socket()) as sock:
            if sock.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        said = (server.folder / "log").read_text()
        assert daemon.poll() is None, f"sshd has ended: {said}"
        assert time.monotonic() < end, f"sshd does not listen: {said}"
        time.sleep(0.05)


#: What somebody does who looks around, and what is to be on the screen then, or not any more. Escape alone: what follows it
#: at once would be read as one key with it.
STEPS = (
    ((), "40 forwards: 39 active, 1 error", ""),
    (("F2",), "STATUS▲", ""),
    (("End",), "svc-39", ""),
    (("?",), "Retry now", ""),
    (("Escape",), "? help", "Retry now"),
    (("Home", "Enter"), "1[explain]", ""),
    (("Escape",), "? help", "[explain]"),
    (("T",), "nginx (pid 41) has it", ""),
)


def screens(command: str, daemon: LiveDaemon, expected: list[str] | None = None) -> list[str]:
    """At each step, without ages, which go on. `expected`: what they must become."""
    found: list[str] = []
    with terminal(daemon.path.parent, size=(100, 30)) as window:
        window.type(f"{command}; echo code $?")
        for keys, sign, gone in STEPS:
            if keys:
                window.keys(*keys)
            window.until(lambda screen: sign in screen and not (gone and gone in screen), f"no {sign}")  # noqa: B023
            if expected:
                window.until(lambda screen: without_ages(screen) == expected[len(found)], "another screen")
            found.append(without_ages(settled(window)))
        window.keys("q")
        assert "svc-" not in window.wait_for("code 0"), "something is left of it"
        assert window.asks("mouse_any_flag,mouse_sgr_flag,alternate_on,cursor_flag") == "0,0,0,1"
    return found


def settled(window: Terminal) -> str:
    """The screen, once it stays as it is."""
    last: list[str] = []
    return window.until(lambda screen: last.append(screen) or last[-5:] == [screen] * 5, "it goes on")  # type: ignore[func-returns-value]


def without_ages(screen: str) -> str:
    return re.sub(r" *\d+[smhd]( ?\d+[smh])?", " AGE", screen)


@pytest.mark.parametrize("inside", ["xterm-256color", "tmux"])
def test_over_ssh_each_screen_is_as_it_is_here(
    services: LiveDaemon, ssh: SshServer, tmp_path: Path, inside: str
) -> None:
    """There in the terminal itself, or in a tmux that runs there."""
    home = f"LC_ALL=C.UTF-8 KFW_HOME={services.path.parents[1]} KUBECONFIG=/nowhere"
    app = f"cd {tmp_path}; exec env {home} {KFW} tui"
    expected = screens(f"(TERM=xterm-256color; {app})", services)
    tmux = f"LC_ALL=C.UTF-8 tmux -S {tmp_path}/there.sock -f /dev/null"
    there = app if inside != "tmux" else f"{tmux} new-session {shlex.quote(app)} \\; set status off"
    try:
        assert screens(f"TERM=xterm-256color {ssh.command(there)}", services, expected) == expected
    finally:
        subprocess.run(
            ["tmux", "-S", str(tmp_path / "there.sock"), "kill-server"],
            stderr=subprocess.DEVNULL,
            check=False,
        )
